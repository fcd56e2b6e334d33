// index.ts — every kernel that the engine calls (AssemblyScript)
export function ping(): i32 {
  return 1;
}
