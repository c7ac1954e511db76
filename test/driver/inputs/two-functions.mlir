func.func private @unexpected()

func.func private @wrong()

// expected-remark@above {{9 loads}}
