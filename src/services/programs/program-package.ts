/**
 * The files of a program: `program.toml` says what it is, its rights, what it takes and returns; `SKILL.md` says the same to people and
 * models; `main.js`, where there is one, does it. All three are texts of somebody else: whatever is in them, reading them ends, and says
 * in which line something is wrong.
 */
import { z } from 'zod'
import { isObject, type Json, type JsonObject, nestsDeeper, ownValue, OxbowError, protoKeys } from '../../base/index.ts'
import { type DefinitionText, definitionName } from '../../config/index.ts'
import { limitsSchema } from '../../protocol/index.ts'
import { maxInstructionCharacters } from '../agents/service.ts'
import {
  maxListedRights,
  maxManifestNesting,
  maxPatternCharacters,
  maxPatternFields,
  maxProgramSchedules,
  maxProgramSeconds,
} from './limits.ts'

const text = (max: number) => z.string().max(max)
const callName = text(100).regex(/^[a-z][a-z0-9_]*\.[A-Za-z0-9_.-]+$/, 'must be the name of a call, such as file.read')
/** `*` stands for any characters. */
const pattern = text(maxPatternCharacters).min(1)
const patterns = z.array(pattern).min(1).max(maxListedRights)

const listedCall = z.union([
  callName,
  z.strictObject({
    call: callName,
    /** Fields of its input, which must match: a text one of these patterns, a list this list of patterns, or one of these lists. */
    input: z
      .record(text(100).min(1), z.union([pattern, patterns, z.array(patterns).min(1).max(maxListedRights)]))
      .refine((fields) => Object.keys(fields).length <= maxPatternFields, `at most ${maxPatternFields} fields`)
      .default({}),
  }),
])

const schema = z.record(z.string(), z.json())
const list = <Item extends z.ZodType>(item: Item) => z.array(item).max(maxListedRights).default([])

const manifestSchema = z.strictObject({
  program: z.strictObject({
    name: z.string().regex(definitionName, 'must be a plain name: lower-case letters, digits, - and _'),
    version: text(64).regex(/^\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?$/, 'must be a version such as 1.0.0'),
    description: text(1_000).min(1),
    author: text(200).default(''),
    tool: z.boolean().default(false),
  }),
  rights: z
    .strictObject({
      calls: list(listedCall),
      paths: list(
        text(500)
          .regex(/^\/(?:shared|tmp)(?:\/|$)/, 'must be below /shared or /tmp')
          .regex(/^\S+$/, 'cannot have spaces'),
      ),
      hosts: list(text(253).regex(/^(?:\*|(?:\*\.)?[A-Za-z0-9.:[\]-]+)$/, 'must be a host, *. and a domain, or * for all')),
      secrets: list(text(100).regex(/^\S+$/, 'must be the name of a secret')),
      spend: limitsSchema.optional(),
      time_s: z.number().min(1).max(maxProgramSeconds).optional(),
    })
    .prefault({}),
  schedule: z
    .array(
      z.strictObject({
        name: text(60).min(1).default('default'),
        cron: text(200).optional(),
        time_zone: text(64).default(''),
        every_s: z.int().min(1).max(31_622_400).optional(),
        input: schema.default({}),
      }),
    )
    .max(maxProgramSchedules)
    .default([]),
  input: schema.optional(),
  result: schema.optional(),
})

export type Manifest = z.infer<typeof manifestSchema>
export type ListedCall = Exclude<Manifest['rights']['calls'][number], string>

/** What is wrong with a file of a program. */
export const packageProblem = z.strictObject({
  file: z.enum(['program.toml', 'SKILL.md', 'main.js', 'main.wasm']),
  line: z.int().describe('0: the file as a whole.'),
  message: z.string(),
})

export type PackageProblem = z.infer<typeof packageProblem>

export interface ProgramPackage {
  readonly manifest: Manifest
  readonly instructions: string
  /** Null: an agent follows the instructions. */
  readonly script: string | null
  /** A WASI module, in base64, in the place of a script. */
  readonly module: string | null
}

export const problemText = ({ file, line, message }: PackageProblem): string => `${file}${line === 0 ? '' : `:${line}`}: ${message}`

/** What is wrong with a program, in one line; empty: nothing. */
export const problemsText = (problems: readonly PackageProblem[]): string => problems.map(problemText).join('; ')

/** @returns the calls that a manifest lists, each with its patterns */
export function listedCalls({ rights }: Pick<Manifest, 'rights'>): readonly ListedCall[] {
  return rights.calls.map((each) => (typeof each === 'string' ? { call: each, input: {} } : each))
}

type PackageText = Pick<DefinitionText, 'name' | 'toml' | 'text' | 'script' | 'module'>

/** Never throws. @returns null where the manifest cannot be used, as the problems say */
export async function parsePackage({
  name,
  toml,
  text: instructions,
  script,
  module,
}: PackageText): Promise<{ readonly program: ProgramPackage | null; readonly problems: readonly PackageProblem[] }> {
  const { manifest, problems } = await parseManifest(toml)
  const found = [...problems]
  if (manifest !== null && manifest.program.name !== name)
    found.push(at(toml, ['program', 'name'], `is ${manifest.program.name}, but the folder is ${name}: they must be the same`))
  if (instructions.trim() === '') found.push({ file: 'SKILL.md', line: 0, message: 'is missing or empty: it says what the program does' })
  const { length } = instructions
  if (script === undefined && module === undefined && length > maxInstructionCharacters)
    found.push({
      file: 'SKILL.md',
      line: 0,
      message: `has ${length} characters; an agent follows at most ${maxInstructionCharacters}: leave details in files that it reads`,
    })
  if (script !== undefined && module !== undefined)
    found.push({ file: 'main.wasm', line: 0, message: 'is there next to main.js: a program has one of them' })
  const program = manifest === null ? null : { manifest, instructions, script: script ?? null, module: module ?? null }
  return { program: found.length === 0 ? program : null, problems: found }
}

/** @throws OxbowError `bad_config` */
export async function usablePackage(of: PackageText): Promise<ProgramPackage> {
  const { program, problems } = await parsePackage(of)
  if (program !== null) return program
  throw new OxbowError('bad_config', `The program ${of.name} cannot be used:\n${problems.map(problemText).join('\n')}`, {
    hint: `Correct its files, and check them with \`oxbow program verify\`.`,
  })
}

async function parseManifest(toml: string): Promise<{ manifest: Manifest | null; problems: readonly PackageProblem[] }> {
  const { parse, TomlError } = await import('smol-toml')
  let table: Json
  try {
    table = JSON.parse(JSON.stringify(parse(toml, { maxDepth: maxManifestNesting }))) as Json
  } catch (error) {
    const line = error instanceof TomlError ? error.line : 0
    const said = error instanceof Error ? error.message.split('\n', 1)[0]! : String(error)
    return { manifest: null, problems: [{ file: 'program.toml', line, message: said.replace(/^Invalid TOML document: /, '') }] }
  }
  if (nestsDeeper(table, maxManifestNesting)) {
    return { manifest: null, problems: [{ file: 'program.toml', line: 0, message: `is nested deeper than ${maxManifestNesting} levels` }] }
  }
  const [named] = protoKeys(table)
  if (named !== undefined) return { manifest: null, problems: [at(toml, named, 'nothing can have this name')] }
  const read = manifestSchema.safeParse(table)
  if (!read.success) return { manifest: null, problems: read.error.issues.map((issue) => issueAt(toml, table, issue)) }
  const problems = scheduleProblems(toml, read.data)
  return { manifest: problems.length === 0 ? read.data : null, problems }
}

function scheduleProblems(toml: string, { schedule }: Manifest): readonly PackageProblem[] {
  const names = schedule.map(({ name }) => name)
  return schedule.flatMap(({ cron, every_s: everyS, name }, i) => {
    if ((cron === undefined) === (everyS === undefined)) return [at(toml, ['schedule', i], 'needs `cron` or `every_s`, not both')]
    return names.indexOf(name) === i ? [] : [at(toml, ['schedule', i], `has the name ${JSON.stringify(name)} of another one`)]
  })
}

function issueAt(toml: string, table: Json, issue: z.core.$ZodIssue): PackageProblem {
  const inner = issue.code === 'invalid_union' ? innerIssue(table, issue) : issue
  const path = issue === inner ? issue.path : [...issue.path, ...inner.path]
  const key = inner.code === 'unrecognized_keys' ? inner.keys[0] : undefined
  return at(toml, key === undefined ? path : [...path, key], inner.code === 'unrecognized_keys' ? 'is not a key here' : inner.message)
}

/** Of the alternatives of a value, the one that was meant. */
function innerIssue(table: Json, issue: Extract<z.core.$ZodIssue, { code: 'invalid_union' }>): z.core.$ZodIssue {
  const value = issue.path.reduce<Json | undefined>((from, key) => ownValue(from as JsonObject, key as string), table)
  const meant = isObject(value) ? issue.errors.at(-1) : issue.errors[0]
  return meant?.[0] ?? issue
}

function at(toml: string, path: readonly PropertyKey[], message: string): PackageProblem {
  const named = path.map(String).join('.')
  return { file: 'program.toml', line: lineOf(toml, path), message: named === '' ? message : `${named} ${message}` }
}

/** @returns the line where a key stands, or the table that it belongs to; 1 if neither is found */
export function lineOf(toml: string, path: readonly PropertyKey[]): number {
  const keys = path.filter((key) => typeof key === 'string')
  const place = path.find((key) => typeof key === 'number') ?? 0
  let [table, count, found] = ['', -1, 0]
  const lines = toml.split('\n')
  for (const [i, line] of lines.entries()) {
    const header = /^\s*\[{1,2}\s*([\w.-]+)\s*\]{1,2}/.exec(line)
    if (header !== null) {
      count = header[1] === table ? count + 1 : 0
      table = header[1]!
    }
    const isMany = /^\s*\[\[/.test(line) || lines.some((each) => each.startsWith(`[[${table}]]`))
    const inTable = table === '' ? [] : table.split('.')
    const isInside = inTable.every((key, depth) => keys[depth] === key) && (!isMany || count === place)
    if (!isInside) continue
    if (header !== null) {
      if (inTable.length > 0) found = i + 1
    } else if (keys[inTable.length] !== undefined && isKey(line, keys[inTable.length]!)) return i + 1
  }
  return found === 0 ? 1 : found
}

function isKey(line: string, key: string): boolean {
  const bare = line.trimStart()
  return [key, JSON.stringify(key), `'${key}'`].some((each) => bare.startsWith(each) && /^[ \t]*[.=]/.test(bare.slice(each.length)))
}
