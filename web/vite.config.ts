/**
 * The build of the web application into `dist/web`: static files under the policy of `src/gateway/http/web-files.ts`, so nothing is
 * inlined and nothing is evaluated. The Brotli form of each text is next to it; the gateway serves that.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/**
 * `src/base`, `src/protocol` and `src/config` are shared with the guest. What a page uses of them needs no module of Node; what it does not use is dropped, and with it the
 * imports, which must resolve until then. A module that is left would fail at its first use: test/web looks for one.
 */
const withoutNode: Plugin = {
  name: 'without-node',
  enforce: 'pre',
  resolveId: (id) => (id.startsWith('node:') ? `\0${id}` : null),
  async load(id) {
    if (!id.startsWith('\0node:')) return null
    const names = Object.keys((await import(id.slice(1))) as object).filter((name) => name !== 'default')
    return { code: `${names.map((name) => `export const ${name} = undefined`).join('\n')}\nexport default {}`, moduleSideEffects: false }
  },
}

const compressed: Plugin = {
  name: 'compressed',
  apply: 'build',
  writeBundle({ dir = '' }) {
    for (const file of globSync(`${dir}/**/*.{html,js,css,svg}`)) writeFileSync(`${file}.br`, brotliCompressSync(readFileSync(file)))
  },
}

export default defineConfig({
  root: here('.'),
  plugins: [withoutNode, react(), compressed],
  build: {
    outDir: here('../dist/web'),
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  logLevel: 'warn',
})
