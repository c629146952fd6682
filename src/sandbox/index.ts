/** Starts hands in a tier and speaks with them. Here: the process tier on Linux, and none. And the one way to the web. */
export { createSandbox } from './create-sandbox.ts'
export type { SandboxOptions } from './create-sandbox.ts'
export { createFakeSandbox } from './fake-sandbox.ts'
export type { FakeSandboxOptions } from './fake-sandbox.ts'
export { createEgress } from './egress/create-egress.ts'
export type { Egress, Fetched } from './egress/create-egress.ts'
export { runTool } from './wasm/run-tool.ts'
export { readHostFolder, writeHostFolder } from './wasm/host-folder.ts'
export type { HostFolder } from './wasm/host-folder.ts'
export { maxToolCodeBytes } from './limits.ts'
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
