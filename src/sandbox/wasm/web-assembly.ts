/** The part of the global `WebAssembly` that is used here. Its types are part of the DOM library, which is not included. */

export interface WasmMemory {
  readonly buffer: ArrayBuffer
  /** @throws RangeError past the maximum. */
  grow(pages: number): number
}

export interface WasmModule {
  readonly [moduleBrand]: never
}
declare const moduleBrand: unique symbol

export interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>
}

interface ImportNeed {
  readonly module: string
  readonly name: string
  readonly kind: 'function' | 'table' | 'memory' | 'global' | 'tag'
}

interface WebAssemblyGlobal {
  validate(code: Uint8Array): boolean
  readonly Module: {
    new (code: Uint8Array): WasmModule
    imports(module: WasmModule): readonly ImportNeed[]
  }
  readonly Instance: new (module: WasmModule, imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>) => WasmInstance
  readonly Memory: new (limits: { readonly initial: number; readonly maximum: number }) => WasmMemory
  readonly RuntimeError: new () => Error
}

/** `WebAssembly`, with the types that TypeScript keeps in `dom`. */
export const webAssembly: WebAssemblyGlobal = (globalThis as unknown as { readonly WebAssembly: WebAssemblyGlobal }).WebAssembly

/** Bytes of a page of WebAssembly memory. */
export const pageBytes = 65_536
export const pagesPerMib = 16
