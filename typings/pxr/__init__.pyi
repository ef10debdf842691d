# The modules of OpenUSD get their members when they are imported, so that checkers of types see none.
