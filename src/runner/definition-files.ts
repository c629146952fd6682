/**
 * The person's definitions of agents, graphs and programs: `agents/NAME.toml` with `agents/NAME.md` and `agents/NAME.character.json`,
 * `graphs/NAME.toml`, and `programs/NAME/` with `program.toml`, `SKILL.md` and `main.js`, next to each `config.toml`. The guest gets and judges
 * the unchanged texts; a file that cannot be read is reported, so that its name does not just vanish.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { isUtf8 } from 'node:buffer'
import { join } from 'node:path'
import { parse, stringify } from 'smol-toml'
import { type JsonObject, errorMessage, OxbowError, writeWhole } from '../base/index.ts'
import {
  definitionKinds,
  definitionName,
  type DefinitionText,
  maxCharacterBytes,
  maxDefinitionBytes,
  maxDefinitions,
  maxProgramFileBytes,
  maxProgramModuleBytes,
} from '../config/index.ts'

/** The folder of a checkout, or the one next to the bundle. */
export function bundledPrograms(): string {
  return join(import.meta.dirname, import.meta.url.endsWith('.ts') ? '../../programs' : '../programs')
}

/**
 * Never throws. @param folders in which `agents`, `graphs` and `programs` are looked for; a later one overrides an earlier one
 * @param given programs that are part of Oxbow or installed: one of the person's counts only where no such program has its name
 */
export function readDefinitions(folders: readonly string[], given: readonly DefinitionText[] = []): readonly DefinitionText[] {
  const found = new Map<string, DefinitionText>()
  for (const folder of folders)
    for (const kind of definitionKinds)
      for (const name of namesIn(join(folder, kind), kind)) found.set(`${kind}/${name}`, readDefinition(join(folder, kind), kind, name))
  for (const program of given) {
    const key = `programs/${program.name}`
    const own = found.get(key)
    found.set(key, own !== undefined && own.place === undefined ? { ...program, hides: true } : program)
  }
  return [...found.values()].toSorted((a, b) => (a.kind + a.name < b.kind + b.name ? -1 : 1))
}

export function namesIn(folder: string, kind: DefinitionText['kind']): readonly string[] {
  let entries: readonly string[]
  try {
    entries = readdirSync(folder)
  } catch {
    // The person has none.
    return []
  }
  const isFolders = kind === 'programs'
  const names = isFolders ? entries : entries.filter((entry) => entry.endsWith('.toml')).map((entry) => entry.slice(0, -'.toml'.length))
  return names
    .filter((name) => definitionName.test(name))
    .toSorted()
    .slice(0, maxDefinitions)
}

export function readDefinition(folder: string, kind: DefinitionText['kind'], name: string): DefinitionText {
  try {
    if (kind === 'programs') return readProgram(join(folder, name), name)
    const toml = readText(join(folder, `${name}.toml`)) ?? ''
    const text = kind === 'agents' ? (readText(join(folder, `${name}.md`)) ?? '') : ''
    const character = kind === 'agents' ? readText(join(folder, `${name}.character.json`), maxCharacterBytes) : null
    return { kind, name, toml, text, ...(character !== null && { character }), problem: '' }
  } catch (error) {
    return { kind, name, toml: '', text: '', problem: errorMessage(error) }
  }
}

/** @throws Error that says why its files cannot be used */
export function readProgram(folder: string, name: string): DefinitionText {
  const [toml, text, script] = ['program.toml', 'SKILL.md', 'main.js'].map((file) => readText(join(folder, file), maxProgramFileBytes))
  if (toml == null) throw new Error(`${join(folder, 'program.toml')} is missing`)
  const module = readBytes(join(folder, 'main.wasm'), maxProgramModuleBytes)?.toString('base64')
  return {
    kind: 'programs',
    name,
    toml,
    text: text ?? '',
    ...(script != null && { script }),
    ...(module !== undefined && { module }),
    problem: '',
  }
}

/** @returns null if there is no such file @throws Error that says why it cannot be used */
function readText(path: string, maxBytes: number = maxDefinitionBytes): string | null {
  const text = readBytes(path, maxBytes)
  if (text !== null && !isUtf8(text)) throw new Error(`${path} is not UTF-8`)
  return text?.toString() ?? null
}

function readBytes(path: string, maxBytes: number): Buffer | null {
  let file: number
  try {
    // A pipe would block the runner.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  try {
    if (!fstatSync(file).isFile()) throw new Error(`${path} is not a file`)
    const bytes = Buffer.alloc(maxBytes + 1)
    const length = readSync(file, bytes, 0, bytes.length, 0)
    if (length > maxBytes) throw new Error(`${path} is larger than ${maxBytes / 1024} KiB`)
    return bytes.subarray(0, length)
  } finally {
    closeSync(file)
  }
}

/** Writes the definition of a character: first what it is made of, so that a crash leaves no agent without one. */
export function writeDefinition(
  files: { readonly toml: string; readonly character: string },
  table: Readonly<Record<string, unknown>>,
  character: JsonObject,
): void {
  writeWhole(files.character, `${JSON.stringify(character, null, 2)}\n`)
  writeWhole(files.toml, `${stringify(table)}\n`)
}

/** Writes a definition without a character, the text first. @param text instructions; absent: what there is of them stays */
export function writePlainDefinition(
  files: { readonly toml: string; readonly text: string },
  table: Readonly<Record<string, unknown>>,
  text?: string,
): void {
  if (text !== undefined) writeWhole(files.text, text)
  writeWhole(files.toml, `${stringify(table)}\n`)
}

/** @returns what a TOML file contains; empty without the file. @throws OxbowError `bad_config` */
export function readDefinitionTable(path: string): JsonObject {
  try {
    return JSON.parse(JSON.stringify(parse(readText(path) ?? ''))) as JsonObject
  } catch (cause) {
    throw new OxbowError('bad_config', `${path} cannot be read`, { hint: 'Correct the file.', cause })
  }
}
