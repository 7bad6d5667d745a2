# The book: prose, chapters that are notebooks and generated pages side by side, then Jupyter Book, which executes nothing.
rule book:
    input:
        f"results/{plan.scale}/html/index.html",


rule pdf:
    input:
        f"results/{plan.scale}/book.pdf",


rule chapter:
    input:
        notebook=plan.root / "notebooks" / "{chapter}.md",
        sources=plan.book.chapter_sources,
    output:
        "results/chapters/{chapter}.ipynb",
    log:
        "logs/chapters/{chapter}.log",
    group:
        plan.group("book")
    localrule: plan.needs_network
    conda:
        "../envs/compute.yml"
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=60),
    params:
        code=plan.book.code_of_chapter,
    shell:
        "ssmpeft run-chapter {input.notebook:q} --output {output:q} &> {log:q}"


rule pages:
    input:
        exhibits=plan.exhibits.files,
        errata="results/errata.json",
        catalogue="results/catalogue.json",
        prose=plan.book.prose,
        measured=plan.book.measured,
        chapters=plan.book.chapters,
    output:
        "results/{scale}/book/_toc.yml",
    log:
        "logs/{scale}/pages.log",
    benchmark:
        "results/{scale}/benchmarks/pages.tsv"
    group:
        plan.group("book")
    localrule: plan.needs_network
    conda:
        "../envs/book.yml"
    resources:
        **scaled_by_attempt(mem_mb=2000, runtime=60),
    params:
        code_reach=plan.config.code_reach,
        of_other_code=plan.exhibits.number_of_other_code,
    shell:
        "ssmpeft make-pages --scale {wildcards.scale} --exhibits {input.exhibits:q} --code-reach {params.code_reach}"
        " --output {output:q} &> {log:q}"


rule html:
    input:
        "results/{scale}/book/_toc.yml",
    output:
        "results/{scale}/html/index.html",
    log:
        "logs/{scale}/html.log",
    benchmark:
        "results/{scale}/benchmarks/html.tsv"
    group:
        plan.group("book")
    localrule: plan.needs_network
    conda:
        "../envs/book.yml"
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=120),
    shell:
        "ssmpeft make-html --pages {input:q} --output {output:q} &> {log:q}"


rule print:
    input:
        "results/{scale}/book/_toc.yml",
    output:
        report("results/{scale}/book.pdf", caption="../report/book.rst", category="Book", labels={"scale": "{scale}"}),
    log:
        "logs/{scale}/print.log",
    localrule: plan.needs_network
    conda:
        "../envs/book.yml"
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=60),
    shell:
        "ssmpeft make-pdf --pages {input:q} --output {output:q} &> {log:q}"
