/** Gathers what the program really has: paths, verbs, keys, calls, words. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse as parseToml } from 'smol-toml'
import { z } from 'zod'
import { measures } from '../../bench/measure-list.ts'
import { readCommand, slashCommands } from '../../src/terminal/index.ts'
import { buildProgram } from '../../src/cli/program.ts'
import { loadServiceVerbs } from '../../src/cli/service-verbs.ts'
import { isObject } from '../../src/base/index.ts'
import { describedCalls } from '../../src/guest/offline.ts'
import { agentProblem } from '../../src/services/agents/delegation/agent-definition.ts'
import { caseSchema } from '../../src/services/programs/packages/program-tests.ts'
import { hookSteps } from '../../src/protocol/index.ts'
import type { Definition } from '../../src/config/index.ts'
import { configSchema, parseConfig } from '../../src/services/index.ts'
import type { ProgramFacts } from './name-rules.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
export const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const sourceFolders = ['src', 'web', 'test', 'bench', 'scripts', 'examples', 'docs', 'bin', 'bundle', '.ci']

/** Files and folders of the repository, from its root; what npm and builds bring is left out. */
export function repositoryPaths(): ReadonlySet<string> {
  const below = sourceFolders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true }).map((entry) => {
      const path = `${entry.parentPath.slice(root.length)}/${entry.name}`
      return entry.isDirectory() ? `${path}/` : path
    }),
  )
  const top = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
  return new Set([...top, ...sourceFolders.map((folder) => `${folder}/`), ...below])
}

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | false
  readonly items?: Schema
}

function keysOf(schema: Schema, prefix: string): readonly string[] {
  const inner = schema.properties ?? schema.items?.properties ?? (schema.additionalProperties || undefined)?.properties ?? {}
  return Object.entries(inner).flatMap(([key, value]) => [`${prefix}${key}`, ...keysOf(value, `${prefix}${key}.`)])
}

export async function programFacts(): Promise<ProgramFacts> {
  const paths = repositoryPaths()
  const terminal = { output: { write: () => true }, errors: { write: () => true }, version: '' } as never
  const calls = await describedCalls(parseConfig({}, 'the defaults'))
  const keys = keysOf(z.toJSONSchema(configSchema, { io: 'input' }) as Schema, '')
  const dotted = new Set([...keys, ...calls.flatMap(({ name, right }) => [name, right]), ...hookSteps])
  const sources = [...paths].filter((path) => /^(?:src|web|scripts|test|bench)\/.*\.(?:tsx?|js|c|json)$/.test(path))
  return {
    paths,
    program: buildProgram(terminal, () => {}, await loadServiceVerbs(null)),
    dotted,
    families: new Set([...dotted].map((name) => name.split('.')[0] ?? '')),
    words: new Set(sources.flatMap((path) => read(path).match(/\w+/g) ?? [])),
    scripts: new Set(Object.keys((JSON.parse(read('package.json')) as { scripts: object }).scripts)),
    measures: new Set(measures.map(({ name }) => name)),
    isChatCommand: (text) => slashCommands.some(({ name }) => name === readCommand(text)?.name),
    checkToml: (text) => {
      try {
        const table = parseToml(text)
        // A definition of an agent says what it is for.
        if ('capabilities' in table) return agentProblem({ table } as unknown as Definition) || null
        // A manifest is the one of an example, which a test runs.
        if (isObject(table['program'])) return sameAsExample(table['program']['name'] as string, text)
        if ('call' in table) return caseSchema.safeParse(table).error?.message ?? null
        parseConfig(table, 'the example')
        return null
      } catch (error) {
        return error instanceof Error ? error.message : String(error)
      }
    },
  }
}

function sameAsExample(name: string, text: string): string | null {
  const file = `examples/programs/${name}/program.toml`
  return existsSync(join(root, file)) && read(file).trimEnd() === text.trimEnd() ? null : `it is not ${file}`
}
