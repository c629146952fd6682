/**
 * Whether a script is a module that can be loaded: QuickJS reads it and runs nothing of it. The interpreter has a memory of its own with a
 * maximum, and is made anew after a text that it does not survive.
 */
import baseVariant from '@jitl/quickjs-singlefile-mjs-release-sync'
import { newQuickJSWASMModuleFromVariant, newVariant, type QuickJSWASMModule } from 'quickjs-emscripten-core'
import { scriptMinMemoryMb } from '../limits.ts'
import { pagesPerMib, webAssembly } from './web-assembly.ts'

/** Enough for the tree of the largest script. */
const checkMemoryMb = 48

function createCheck(): (source: string) => Promise<string> {
  let engine: Promise<QuickJSWASMModule> | undefined
  const load = (): Promise<QuickJSWASMModule> => {
    const memory = new webAssembly.Memory({ initial: scriptMinMemoryMb * pagesPerMib, maximum: checkMemoryMb * pagesPerMib })
    return newQuickJSWASMModuleFromVariant(newVariant(baseVariant, { wasmMemory: memory as never }))
  }
  return async (source) => {
    engine ??= load()
    try {
      return readModule(await engine, source)
    } catch (error) {
      engine = undefined
      return `it cannot be read: ${error instanceof Error ? error.message : String(error)}`
    }
  }
}

/** @returns why it is no ES module; empty if it is one */
export const checkScript: (source: string) => Promise<string> = createCheck()

function readModule(engine: QuickJSWASMModule, source: string): string {
  const runtime = engine.newRuntime()
  const context = runtime.newContext()
  const read = context.evalCode(source, 'main.js', { type: 'module', compileOnly: true })
  try {
    if (read.error === undefined) {
      read.value.dispose()
      return ''
    }
    const error = context.dump(read.error) as { readonly name?: unknown; readonly message?: unknown; readonly stack?: unknown }
    read.error.dispose()
    return `${String(error.name)}: ${String(error.message)}\n${String(error.stack)}`
  } finally {
    context.dispose()
    runtime.dispose()
  }
}
