"""Executes modules: npu programs by instruction (``npu``), affine code plainly (``affine``) or natively (``jit``).

How an npu program runs: ``core`` decodes blocks and loops into closures, ``access`` turns the maps of operands into
address arithmetic and views, ``storage`` places buffers in ``memory``, ``vector``, ``matrix`` and ``transfers`` do the
instructions, ``scalars`` the arithmetic, ``shadow`` watches who wrote each byte. Measuring is done by listeners:
``counts`` and ``timing``.
"""
