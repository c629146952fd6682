/** Installing programs: what one would be, tests before it counts, the way back when the first run of an update fails. */
import type { Core } from '../../../kernel/index.ts'
import { OxbowError } from '../../../base/index.ts'
import type { ChangedProgram, HostPort, ProgramPort, ProgramSource, ProgramTexts, StagedProgram } from '../../../config/index.ts'
import type { Agents } from '../../agents/service.ts'
import { maxDifferenceLines } from '../limits.ts'
import { parsePackage, problemText } from '../program-package.ts'
import type { ProgramRun } from '../program-record.ts'
import { verifyPackage } from '../program-verify.ts'
import type { PackageView } from './package-view.ts'
import { runTests, type TestResult } from './program-tests.ts'
import { compareRights, rightLines } from './rights-text.ts'

export interface InstallDeps extends Pick<Core, 'host' | 'schemas' | 'registry' | 'noteEvent'> {
  readonly agents: Pick<Agents, 'definitions'>
  /** Other files count now. */
  readonly changed: () => Promise<void>
}

export interface PackageAsk {
  /** Empty: where the installed version is from. */
  readonly source: string
  /** Only this program may be in the package; absent: any. */
  readonly program?: string | undefined
}

export interface TestedFiles {
  readonly texts: ProgramTexts
  readonly tests: Readonly<Record<string, string>>
}

export interface InstallDesk {
  look(ask: PackageAsk): Promise<PackageView>
  /** @throws OxbowError `denied` for other files, `tool_failed` where its tests fail, `bad_config` for one that cannot run */
  install(ask: PackageAsk, hash: string, signal: AbortSignal): Promise<PackageView>
  rollback(program: string): Promise<ChangedProgram>
  remove(program: string): Promise<ChangedProgram>
  make(folder: string): Promise<string>
  /** @param given absent: the program of this name that there is */
  test(name: string, given: TestedFiles | undefined, signal: AbortSignal): Promise<readonly TestResult[]>
  /** Keeps an update whose first run was good; puts back the version before where it failed. */
  tried(run: ProgramRun): Promise<void>
}

export function createInstallDesk(deps: InstallDeps): InstallDesk {
  const { definitions } = deps.agents
  const refresh = async (): Promise<void> => {
    definitions.refresh()
    await deps.changed()
  }
  const change = async (program: string, what: 'rollback' | 'remove'): Promise<ChangedProgram> => {
    const place = (await definitions.list('programs')).find(({ name }) => name === program)?.place
    if (place === 'bundled')
      throw new OxbowError('bad_input', `${program} comes with Oxbow, and stays with it.`, {
        hint: `Switch it off: oxbow program disable ${program}`,
      })
    const done = await portOf(deps).change(program, what)
    await refresh()
    return done
  }
  return {
    look: async (ask) => viewOf(deps, await portOf(deps).look(ask.source, ask.program)),
    async install(ask, hash, signal) {
      const port = portOf(deps)
      const staged = await port.look(ask.source, ask.program)
      if (staged.hash !== hash) throw otherFiles(staged.hash)
      const view = await viewOf(deps, staged)
      if (view.problems.length > 0)
        throw new OxbowError('bad_config', `The program ${view.program} cannot run:\n${view.problems.join('\n')}`, {
          hint: 'Its author has to correct it.',
        })
      const results = await testsOf(deps, staged.program, staged.texts, staged.tests, signal)
      const failed = results.filter(({ ok }) => !ok)
      if (failed.length > 0)
        throw new OxbowError(
          'tool_failed',
          `${failed.length} of ${results.length} tests of ${view.program} ${view.version} fail: ${failed.map(({ name, problem }) => `${name}: ${problem}`).join('; ')}`,
          {
            hint: view.installed === '' ? 'It is not installed.' : `${view.installed} stays installed.`,
          },
        )
      await port.install(ask.source, hash, ask.program)
      await refresh()
      return { ...view, tested: results.length }
    },
    rollback: (program) => change(program, 'rollback'),
    remove: (program) => change(program, 'remove'),
    make: (folder) => portOf(deps).make(folder),
    async test(name, given, signal) {
      if (given !== undefined) return testsOf(deps, name, given.texts, given.tests, signal)
      const { toml, text, script, module } = await definitions.find('programs', name)
      const texts = { toml, text, ...(script !== undefined && { script }), ...(module !== undefined && { module }) }
      return testsOf(deps, name, texts, await portOf(deps).tests(name), signal)
    },
    async tried(run) {
      if (run.status !== 'success' && run.status !== 'failed') return
      definitions.refresh()
      const tried = (await definitions.list('programs')).find(({ name }) => name === run.program)
      if (tried?.trial === undefined || tried.hash !== run.hash || deps.host?.programs === undefined) return
      const isGood = run.status === 'success'
      const { changed, version } = await deps.host.programs.change(run.program, isGood ? 'keep' : 'rollback', tried.trial)
      await refresh()
      if (changed && !isGood)
        deps.noteEvent('program_rolled_back', { program: run.program, from: run.version, to: version, run: run.id }, run.session)
    },
  }
}

function portOf({ host }: { readonly host?: Pick<HostPort, 'programs'> | undefined }): ProgramPort {
  if (host?.programs !== undefined) return host.programs
  throw new OxbowError('denied', 'This guest has no runner that installs programs.', { hint: 'Start it with oxbow start.' })
}

function otherFiles(hash: string): OxbowError {
  return new OxbowError('denied', 'These are not the files that were shown with that hash.', {
    hint: `Look at them again; their hash is now ${hash}.`,
  })
}

async function testsOf(
  { schemas, registry }: InstallDeps,
  name: string,
  texts: ProgramTexts,
  tests: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<readonly TestResult[]> {
  const { program, problems } = await parsePackage({ name, ...texts })
  if (program === null)
    throw new OxbowError('bad_config', `The program ${name} cannot be used:\n${problems.map(problemText).join('\n')}`, {
      hint: 'Correct its files first: oxbow program verify',
    })
  return runTests({ schemas, find: registry.find }, program, tests, signal)
}

async function viewOf({ schemas, registry }: InstallDeps, staged: StagedProgram): Promise<PackageView> {
  const { program: name, version, source, hash, signed_by, files, tests, before, texts, hides } = staged
  const { program, problems, warnings } = await verifyPackage(
    { schemas, find: registry.find },
    { kind: 'programs', name, problem: '', ...texts },
  )
  const parsed = program ?? (await parsePackage({ name, ...texts })).program
  const old = before === null ? null : (await parsePackage({ name, ...before.texts })).program
  const { added, removed } = parsed === null ? { added: [], removed: [] } : compareRights(old?.manifest ?? null, parsed.manifest)
  return {
    program: name,
    version,
    description: parsed?.manifest.program.description ?? '',
    source: sourceText(source),
    hash,
    signed_by,
    kind: kindOf(texts),
    files: files.length,
    bytes: files.reduce((sum, each) => sum + each.bytes, 0),
    may: parsed === null ? [] : [...rightLines(parsed.manifest)],
    added: [...added],
    removed: [...removed],
    installed: before?.version ?? '',
    same: before?.hash === hash,
    reasons: reasonsOf(staged, added.length > 0),
    difference: before === null || before.hash === hash ? '' : await differenceOf(before.texts, texts),
    problems: problems.map(problemText),
    warnings: warnings.map(problemText),
    tests: Object.keys(tests).length,
    tested: 0,
    hides,
  }
}

const kindOf = ({ script, module }: ProgramTexts): PackageView['kind'] =>
  script !== undefined ? 'script' : module !== undefined ? 'module' : 'agent'

/** What a person should know that a list of rights does not say. */
function reasonsOf({ before, signed_by: signer, hash }: StagedProgram, asksMore: boolean): string[] {
  if (before === null) return [signer === '' ? 'it is new, and nobody has signed it' : 'it is new']
  const isSame = before.hash === hash
  return [
    ...(asksMore ? ['it may do more than before'] : []),
    ...(before.signed_by !== '' && signer === '' ? ['it is no longer signed'] : []),
    ...(before.signed_by !== '' && signer !== '' && signer !== before.signed_by ? ['another key has signed it'] : []),
    ...(before.signed_by === '' && !isSame ? [signer === '' ? 'nobody has signed it' : 'it is signed for the first time'] : []),
  ]
}

function sourceText(source: ProgramSource): string {
  switch (source.from) {
    case 'folder':
      return source.path
    case 'archive':
      return `${source.place}#sha256=${source.sha256}`
    case 'npm':
      return `npm:${source.spec} ${source.integrity}`
    default:
      return `git+${source.url}${source.ref === '' ? '' : `#${source.ref}`} at ${source.commit}`
  }
}

async function differenceOf(before: ProgramTexts, after: ProgramTexts): Promise<string> {
  const { createTwoFilesPatch } = await import('diff')
  const files = [
    ['program.toml', before.toml, after.toml],
    ['SKILL.md', before.text, after.text],
    ['main.js', before.script ?? '', after.script ?? ''],
  ] as const
  const parts = files.flatMap(([file, old, now]) =>
    old === now ? [] : [createTwoFilesPatch(file, file, old, now, undefined, undefined, { context: 3 }).replace(/^=+\n/, '')],
  )
  if (before.module !== after.module) parts.push('main.wasm is another module.\n')
  const lines = parts.join('').split('\n')
  return lines.length <= maxDifferenceLines
    ? lines.join('\n')
    : `${lines.slice(0, maxDifferenceLines).join('\n')}\n… ${lines.length - maxDifferenceLines} more lines`
}
