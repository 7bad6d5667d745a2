"""The kinds of errata of the formal statements, in the words that every page calls them by."""

KINDS = {
    "error": "false as printed",
    "gap": "needs a condition or a proof",
    "wording": "symbols",
    "remark": "not wrong, worth knowing",
    "code": "the released code differs",
}
