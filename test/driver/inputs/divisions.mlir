module {
  func.func @f(%a: f32) -> f32 {
    %x = arith.addf %a, %a : f32
    %y = arith.divf %x, %x : f32
    %z = arith.divf %y, %x : f32
    return %z : f32
  }
}
