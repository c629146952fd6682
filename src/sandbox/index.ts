/** Starts hands in a tier and speaks with them. Here: the process tier on Linux, and none. */
export { createSandbox } from './create-sandbox.ts'
export type { SandboxOptions } from './create-sandbox.ts'
export { createFakeSandbox } from './fake-sandbox.ts'
export type { FakeSandboxOptions } from './fake-sandbox.ts'
export { runTool } from './wasm/run-tool.ts'
export type {
  HostFunction,
  HostFunctions,
  OutputText,
  ToolChange,
  ToolFile,
  ToolLimits,
  ToolMount,
  ToolOutcome,
  WasmTool,
} from './wasm/wasm-tool.ts'
