/** Checks the files of a program without running it: manifest, schemas, instructions, script, and rights that the script does not use. */
import { type JsonObject, type SchemaChecker, errorMessage } from '../../base/index.ts'
import type { Call } from '../../protocol/index.ts'
import type { DefinitionText } from '../../config/index.ts'
import { checkScript, isWasm } from '../../sandbox/index.ts'
import { lineOf, listedCalls, type PackageProblem, parsePackage, problemsText, type ProgramPackage } from './program-package.ts'
import { freeCalls, judgementCall, runCallName } from './program-rights.ts'

export interface Verified {
  readonly program: ProgramPackage | null
  readonly problems: readonly PackageProblem[]
  /** What is no reason not to run it. */
  readonly warnings: readonly PackageProblem[]
}

interface VerifyDeps {
  readonly schemas: Pick<SchemaChecker, 'check'>
  readonly find: (name: string) => Pick<Call, 'audience' | 'reaches' | 'does'> | undefined
}

export async function verifyPackage({ schemas, find }: VerifyDeps, of: DefinitionText): Promise<Verified> {
  const { program, problems } = await parsePackage(of)
  // It could not be read, which is no fault of what was read of it.
  if (of.problem !== '' && of.problem !== problemsText(problems))
    return { program: null, problems: [{ file: 'program.toml', line: 0, message: of.problem }], warnings: [] }
  if (program === null) return { program, problems, warnings: [] }
  const { manifest, script } = program
  const checks = (['input', 'result'] as const).flatMap((what) => {
    const schema: JsonObject | undefined = manifest[what]
    const asProblem = (error: unknown): PackageProblem => ({
      file: 'program.toml',
      line: lineOf(of.toml, [what]),
      message: `${what}: ${errorMessage(error)}`,
    })
    return schema === undefined ? [] : [schemas.check(schema).then(() => null, asProblem)]
  })
  const wrongScript = script === null ? '' : await checkScript(script)
  const isModule = program.module === null || (await isWasm(Buffer.from(program.module, 'base64')))
  const found = [
    ...(isModule ? [] : [{ file: 'main.wasm', line: 0, message: 'is not a WebAssembly module' } as const]),
    ...(await Promise.all(checks)).filter((each) => each !== null),
    ...(wrongScript === '' ? [] : [scriptProblem(wrongScript)]),
    ...callProblems(of.toml, program, find),
  ]
  return { program: found.length === 0 ? program : null, problems: found, warnings: warningsOf(of.toml, program, find) }
}

function scriptProblem(said: string): PackageProblem {
  const line = Number(/:(\d+)(?::\d+)?\)?\s*$/m.exec(said)?.[1] ?? 0)
  return { file: 'main.js', line, message: said.split('\n', 1)[0]! }
}

function callProblems(toml: string, { manifest }: ProgramPackage, find: VerifyDeps['find']): readonly PackageProblem[] {
  return listedCalls(manifest).flatMap(({ call: name }): readonly PackageProblem[] => {
    const call = find(name)
    // Calls of servers and of other agents come and go.
    if (call === undefined && /^(?:mcp|a2a|acp)\./.test(name)) return []
    const line = lineWith(toml, name)
    if (call === undefined) return [{ file: 'program.toml', line, message: `there is no call ${name}: \`oxbow calls\` lists them` }]
    if (call.audience.includes('model') || name === judgementCall) return []
    return [{ file: 'program.toml', line, message: `only people make the call ${name}` }]
  })
}

function warningsOf(toml: string, { manifest, script }: ProgramPackage, find: VerifyDeps['find']): readonly PackageProblem[] {
  const { paths, hosts, secrets } = manifest.rights
  const listed = listedCalls(manifest)
  const at = (what: string, message: string): PackageProblem => ({ file: 'program.toml', line: lineWith(toml, what), message })
  const reaching = (kind: 'paths' | 'url'): boolean => listed.some(({ call }) => find(call)?.reaches?.kind === kind)
  const lacking = [
    ...(reaching('paths') && paths.length === 0 ? [at('calls', 'lists calls that reach files, and no paths under [rights]')] : []),
    ...(reaching('url') && hosts.length === 0 ? [at('calls', 'lists calls that reach hosts, and no hosts under [rights]')] : []),
    ...(paths.length > 0 && !reaching('paths') ? [at('paths', 'lists paths, and no call that reaches files')] : []),
    ...(hosts.length > 0 && !reaching('url') ? [at('hosts', 'lists hosts, and no call that reaches any')] : []),
  ]
  if (script === null) return lacking
  const made = literalCalls(script)
  // What it starts is held to its list, and may need what it does not do itself.
  const passesOn = listed.some(({ call }) => find(call)?.does?.includes('delegate'))
  const unused = listed
    .filter(({ call }) => !passesOn && !made.has(call))
    .map(({ call }) => at(call, `lists ${call}, which main.js does not name`))
  const names = new Set(listed.map(({ call }) => call))
  const unlisted = [...made].filter((call) => !names.has(call) && !freeCalls.has(call) && find(call) !== undefined)
  const unnamed = secrets.filter((name) => !passesOn && !script.includes(name))
  return [
    ...lacking,
    ...unused,
    ...unnamed.map((name) => at(name, `lists the secret ${name}, which main.js does not name`)),
    ...unlisted.map((call): PackageProblem => ({
      file: 'main.js',
      line: lineWith(script, call),
      message: `makes the call ${call}, which is not listed: it will be refused`,
    })),
  ]
}

/** @returns names that stand as texts in a script: `'file.read'` */
function literalCalls(script: string): ReadonlySet<string> {
  const names = [...script.matchAll(/(['"`])([a-z][a-z0-9_]*\.[A-Za-z0-9_.-]+)\1/g)].map((found) => found[2]!)
  if (/\boxbow\s*\.\s*ask\s*\(/.test(script)) names.push(judgementCall)
  if (/\boxbow\s*\.\s*run\s*\(/.test(script)) names.push(runCallName)
  return new Set(names)
}

function lineWith(text: string, part: string): number {
  return text.split('\n').findIndex((line) => line.includes(part)) + 1
}
