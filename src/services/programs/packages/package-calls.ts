/** The calls by which a person installs programs, and by which whoever writes one tests it. The host has the files, and judges each question. */
import { z } from 'zod'
import { type Call, defineCall, evident } from '../../../protocol/index.ts'
import { definitionName, maxProgramFileBytes, maxProgramTests, maxSource } from '../../../config/index.ts'
import { maxModuleChars } from '../limits.ts'
import type { InstallDesk, TestedFiles } from './install-desk.ts'
import { OxbowError } from '../../../base/index.ts'
import { packageAsk, packageView } from './package-view.ts'
import { testResult } from './program-tests.ts'

type Load = () => Promise<InstallDesk>

const shared = { rare: true, audience: ['terminal'], labels: { adds: [], sink: false }, timeoutMs: 30_000 } as const satisfies Partial<Call>
const writes = { ...shared, tier: 'privileged', right: 'config.write', effect: 'idempotent' } as const satisfies Partial<Call>
/** Fetching takes a while over a slow line, and tests run after it. */
const installMs = 900_000

const name = z.string().regex(definitionName, 'must be a plain name')
const hash = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .describe('Hash of the files that were shown.')
const fileText = z.string().max(maxProgramFileBytes)

export function packageCalls(load: Load): readonly Call[] {
  return [lookCall(load), installCall(load), ...changeCalls(load), newCall(load), testCall(load)]
}

function lookCall(load: Load): Call {
  return defineCall({
    ...writes,
    // It fetches, and reads where agents do not.
    tier: 'read_only',
    effect: 'none',
    name: 'program.look',
    summary: 'Shows what a program is and may do before it is installed, and what an update changes. Nothing of it runs.',
    input: packageAsk,
    output: packageView,
    example: { source: '/home/ada/tidy' },
    timeoutMs: installMs,
    recordOutput: ({ program, version, hash: of }) => ({ program, version, hash: of }),
    async run(input) {
      const asked = named(input)
      return { output: await (await load()).look(asked) }
    },
  })
}

function installCall(load: Load): Call {
  return defineCall({
    ...writes,
    name: 'program.install',
    summary: 'Installs or updates a program on the host, exactly as `program.look` has shown it, once its tests have passed.',
    input: packageAsk.extend({ hash }),
    output: packageView,
    example: { source: '/home/ada/tidy', hash: '0'.repeat(64) },
    timeoutMs: installMs,
    recordOutput: ({ program, version, hash: of, may, installed }) => ({ program, version, hash: of, may: [...may], before: installed }),
    async run({ hash: seen, ...ask }, { signal }) {
      const asked = named(ask)
      return { output: await (await load()).install(asked, seen, signal) }
    },
  })
}

/** @throws OxbowError `bad_input` for a package that nothing names */
function named(ask: z.infer<typeof packageAsk>): z.infer<typeof packageAsk> {
  if (ask.source !== '' || ask.program !== undefined) return ask
  throw new OxbowError('bad_input', 'Nothing says which program it is.', { hint: 'Give its source, or the name of an installed one.' })
}

function changeCalls(load: Load): readonly Call[] {
  const changed = z.strictObject({
    program: z.string(),
    version: z.string().describe('The version that is installed now; empty: none is.'),
  })
  return (['rollback', 'remove'] as const).map((change) =>
    defineCall({
      ...writes,
      name: `program.${change}`,
      summary:
        change === 'rollback'
          ? 'Makes the version before the last update of a program the installed one again. Runs go on by the files with which they began.'
          : 'Removes an installed program. Runs go on by the files with which they began.',
      input: z.strictObject({ program: name }),
      output: changed,
      example: { program: 'tidy' },
      // Twice, it would go back twice.
      effect: 'once',
      async run({ program }) {
        const { version } = await (await load())[change](program)
        return { output: { program, version } }
      },
    }),
  )
}

function newCall(load: Load): Call {
  return defineCall({
    ...writes,
    name: 'program.new',
    summary: 'Makes a folder on the host with a program to begin with, which passes its checks and its tests.',
    input: z.strictObject({ folder: z.string().max(maxSource).startsWith('/', 'must be an absolute path') }),
    output: z.strictObject({ program: z.string(), folder: z.string() }),
    example: { folder: '/home/ada/tidy' },
    effect: 'once',
    run: async ({ folder }) => ({ output: { program: await (await load()).make(folder), folder } }),
  })
}

const givenFiles = z.strictObject({
  toml: fileText,
  instructions: fileText,
  script: fileText.optional(),
  module: z.string().max(maxModuleChars).optional().describe('A WASI module, in base64.'),
  tests: z
    .record(z.string().max(200), fileText)
    .refine((tests) => Object.keys(tests).length <= maxProgramTests, `at most ${maxProgramTests} cases`)
    .describe('The texts of its cases, by file name.'),
})

type GivenFiles = z.infer<typeof givenFiles>

function testCall(load: Load): Call {
  return defineCall({
    ...shared,
    audience: ['model', 'terminal'],
    right: 'agent.use',
    tier: 'read_only',
    effect: 'none',
    name: 'program.test',
    summary: 'Runs the cases of tests of a program: each scripts what its calls return, so nothing outside is read or changed.',
    input: z.strictObject({
      name,
      files: givenFiles.optional().meta(evident('Absent: the files of the program with this name.')),
    }),
    output: z.strictObject({ results: z.array(testResult).readonly() }),
    example: {
      name: 'tidy',
      files: {
        toml: '[program]\nname = "tidy"\nversion = "1.0.0"\ndescription = "Says hello."',
        instructions: 'Say hello.',
        script: 'export default () => "hello"',
        tests: { 'tests/hello.toml': 'result = "hello"' },
      },
    },
    timeoutMs: 300_000,
    recordInput: (input) => ({ name: input.name, given: input.files !== undefined }),
    recordOutput: ({ results }) => ({ passed: results.filter(({ ok }) => ok).length, failed: results.filter(({ ok }) => !ok).length }),
    async run({ name: of, files }, { signal }) {
      const results = await (await load()).test(of, files === undefined ? undefined : testedFiles(files), signal)
      const lines = results.map(
        ({ name: title, ok, problem }) => `${ok ? 'passed' : 'failed'} ${title}${problem === '' ? '' : `: ${problem}`}`,
      )
      return { output: { results }, text: lines.join('\n') || 'It has no tests.', ok: results.every(({ ok }) => ok) }
    },
  })
}

function testedFiles({ toml, instructions, script, module, tests }: GivenFiles): TestedFiles {
  return { texts: { toml, text: instructions, ...(script !== undefined && { script }), ...(module !== undefined && { module }) }, tests }
}
