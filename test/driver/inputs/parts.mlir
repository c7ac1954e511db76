func.func @first(%a: f32) -> f32 {
  return %a : f32
}

// -----

func.func @second(%a: f32) -> f32 {
  %x = arith.divf %a, %a : f32
  return %x : f32
}

// -----

func.func @third(%a: f32) -> f32 {
  %x = arith.divf %a, %a : f32
  return %x : f32
}

// -----

func.func @fourth(%a: f32) -> f32 {
  return %a : f32
}
