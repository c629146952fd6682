/** `node scripts/make-dot-program.ts`: assembles `src/store/search/dot-program.wat` after a change of it. */
import { writeFileSync } from 'node:fs'
import { assembleDotProgram } from '../src/store/search/assemble-fixture.ts'

const file = new URL('../src/store/search/dot-program.json', import.meta.url)
writeFileSync(file, `${JSON.stringify({ wasm: await assembleDotProgram() })}\n`)
