"""Commands and kernels that start warm: one server imports torch and transformers, and forks for each of them.

A cell starts in half a second in place of five. The standard library's own fork server (`multiprocessing.forkserver`)
also imports ahead and forks, but for the one program that started it: nobody else finds it, it ends with that program,
and what it forks has that program's streams, folder and environment. Here those who ask are the jobs of Snakemake, each
a shell of its own. So the parts are the standard library's (`socketserver` listens and forks, `multiprocessing` starts
and ends the worker, `socket` hands over open files), and what lies here is what joins them:

- `identity`: under which socket any process of this user finds the server of its environment;
- `client`: asks for a command or a kernel, and does without the server where there is none;
- `server`: imports ahead, and forks a supervisor and a worker for each request;
- `jupyter/`: the description by which Jupyter starts a kernel through `client`.

Three kinds of process end together: the worker when its supervisor ends, the supervisor's worker when the client has
gone, and the client when Snakemake has.
"""
