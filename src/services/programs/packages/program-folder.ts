/** The folder of a program on this machine, as a terminal reads it for `oxbow program verify` and `test`. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { type JsonObject, OxbowError } from '../../../base/index.ts'
import { maxProgramTests } from '../../../config/index.ts'

export interface ReadFolder {
  readonly name: string
  readonly files: JsonObject
  readonly tests: Readonly<Record<string, string>>
}

/** @returns whether what was typed is a folder and not the name of a program */
export const isFolder = (typed: string): boolean => /[/\\.]/.test(typed)

/** @throws OxbowError `not_found` for a folder without a manifest */
export function readProgramFolder(path: string): ReadFolder {
  const folder = resolve(path)
  const read = (file: string): string | undefined => (existsSync(join(folder, file)) ? readFileSync(join(folder, file), 'utf8') : undefined)
  const [toml, instructions = '', script] = ['program.toml', 'SKILL.md', 'main.js'].map(read)
  if (toml === undefined)
    throw new OxbowError('not_found', `${folder} has no program.toml`, { hint: 'Name a program, or the folder of one.' })
  const wasm = join(folder, 'main.wasm')
  const module = existsSync(wasm) ? readFileSync(wasm).toString('base64') : undefined
  const cases = existsSync(join(folder, 'tests')) ? readdirSync(join(folder, 'tests')).filter((file) => file.endsWith('.toml')) : []
  if (cases.length > maxProgramTests)
    throw new OxbowError('limit_reached', `${folder} has ${cases.length} cases of tests; a program has at most ${maxProgramTests}.`, {
      hint: 'Join cases that check the same, or split the program.',
    })
  const texts = cases.toSorted().map((file) => [`tests/${file}`, readFileSync(join(folder, 'tests', file), 'utf8')] as const)
  return {
    name: basename(folder),
    files: { toml, instructions, ...(script !== undefined && { script }), ...(module !== undefined && { module }) },
    tests: Object.fromEntries(texts),
  }
}
