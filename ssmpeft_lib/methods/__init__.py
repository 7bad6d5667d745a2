"""The methods, one file each: where it acts, what it trains, with which defaults, and where that is said.

A method's file has one class, a frozen dataclass that derives from `ssmpeft_lib.adapters.method.Method`, with

- `family`: a key of `FAMILIES` in ssmpeft_lib/plan/families.py, by which the book colours it;
- `learning_rate`: a number, for the small stand-ins;
- `adapt(backbone)`: attaches what is trained;
- `published` where the paper does not compare it, from which the book's table of such methods is made;
- fields for its options, of type int, float, bool or str; and what else `Method` says, where it differs.

`family` and `learning_rate` are literals, as planning reads them without running the file. Start from lora.py.
"""
