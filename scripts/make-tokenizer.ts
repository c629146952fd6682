/**
 * Makes what Oxbow counts tokens with from the development dependency gpt-tokenizer, whose 30 MB hold each encoding four times:
 * its code without the encodings, and the two encodings that are used, compressed. Run it after the package changes.
 *
 *     node scripts/make-tokenizer.ts
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import cl100k from 'gpt-tokenizer/bpeRanks/cl100k_base'
import o200k from 'gpt-tokenizer/bpeRanks/o200k_base'
import { build } from 'tsdown'

const target = new URL('../src/engine/tokens/', import.meta.url)
const folder = dirname(createRequire(import.meta.url).resolve('gpt-tokenizer/package.json'))
const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
const licence = readFileSync(join(folder, 'LICENSE'), 'utf8')

const temporary = mkdtempSync(join(folder, '.make-'))
const out = mkdtempSync(join(tmpdir(), 'oxbow-tokenizer-'))
try {
  const entry = join(temporary, 'gpt-tokenizer.js')
  writeFileSync(entry, "export { GptEncoding } from '../esm/GptEncoding.js'\n")
  const common = { config: false, logLevel: 'silent', dts: false, report: false, platform: 'node', format: 'esm' } as const
  await build({ ...common, entry: [entry], outDir: out, hash: false, fixedExtension: false, deps: { alwaysBundle: [/./] } })
  const code = readFileSync(join(out, 'gpt-tokenizer.js'), 'utf8')
  const comment = licence.trim().replaceAll(/^/gm, ' * ').replaceAll(/ +$/gm, '')
  const head = `/* Made by scripts/make-tokenizer.ts from gpt-tokenizer ${version}; its licence follows. */\n/*\n${comment}\n */\n`
  writeFileSync(new URL('gpt-tokenizer.js', target), head + code)
} finally {
  rmSync(temporary, { recursive: true })
  rmSync(out, { recursive: true })
}
for (const [name, ranks] of Object.entries({ o200k_base: o200k, cl100k_base: cl100k })) {
  const bytes = brotliCompressSync(JSON.stringify(ranks), { params: { [constants.BROTLI_PARAM_LGWIN]: 24 } })
  writeFileSync(new URL(`${name}.json.br`, target), bytes)
  process.stdout.write(`${name}: ${ranks.length} tokens, ${bytes.length} bytes\n`)
}
