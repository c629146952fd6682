/**
 * Which programs calls may start: the lists of `[exec]`, and what a person adds to them (`oxbow exec allow`), kept as a document.
 *
 * `exec.run` starts a program without a shell, and only what a pattern of the allow list covers; an empty list covers nothing. A deny
 * pattern wins. A pattern is a program and, after it, its arguments, with `*` for any text inside of one word:
 *
 * - `git`: with any arguments. `git status`: with exactly these. `git log **`: with these, and any after them.
 * - As a denial, `git push` covers every call of git in whose arguments `push` occurs, wherever it stands.
 *
 * Commands of a shell pass no allow list: what they start cannot be told from their text. `exec.shell = false` turns them off. The deny
 * patterns are compared with their words only to stop mistakes; whoever wants to get around that can.
 */
import { z } from 'zod'
import type { Documents } from '../../kernel/index.ts'
import { type Failure, matchesStars, OxbowError } from '../../base/index.ts'
import { type Config, heldBy } from '../../config/index.ts'
import { type Call, defineCall, type StartedProgram } from '../../protocol/index.ts'
import { type ExecConfig, isProgramPattern } from './config.ts'

/** Patterns of programs that `oxbow exec` may add. */
const maxProgramPatterns = 1_000

const execCategory = 'system/exec'
const listsName = 'lists'

type Lists = z.infer<typeof lists>

const noLists: Lists = { allow: [], deny: [] }

export interface ExecLists {
  /**
   * Reads the lists, so that a change by another guest counts at once.
   * @param isExcused the program need not be on the allow list
   * @returns why the call may not start the program, or null
   */
  refuse(call: Pick<Call, 'name'>, program: StartedProgram, isExcused?: boolean): Promise<Failure | null>
  /** Reads the lists. Before the first time, `hides` knows only the configured ones. */
  load(): Promise<Lists>
  /** Whether the call is of no use to anybody now, so that no model is offered it. */
  hides(call: Pick<Call, 'argv' | 'starts'>): boolean
}

/** @param isHeld `only_tighten` holds the allow list: it is the configuration's alone, whoever allows more */
export function createExecLists(documents: Pick<Documents, 'get'>, config: ExecConfig, isHeld: boolean): ExecLists {
  let own = noLists
  const load = async (): Promise<Lists> => {
    const { allow, deny } = (await documents.get<Lists>(execCategory, listsName))?.value ?? noLists
    return (own = { allow: isHeld ? [] : allow, deny })
  }
  return {
    load,
    async refuse(call, program, isExcused = false) {
      const { allow, deny } = await load()
      const lists = { allow: isExcused && !isHeld ? ['*'] : [...config.allow, ...allow], deny: [...config.deny, ...deny] }
      return program.shell === null ? refuseProgram(call, program, lists, config.env) : refuseShell(call, program.shell, lists, config)
    },
    hides: ({ argv, starts }) =>
      argv !== undefined ? config.allow.length + own.allow.length === 0 : starts !== undefined && !config.shell,
  }
}

function refuseProgram({ name }: Pick<Call, 'name'>, program: StartedProgram, lists: Lists, names: readonly string[]): Failure | null {
  const { binary, args, env } = program
  const words = [binary, ...args]
  const denied = lists.deny.find((pattern) => denies(pattern, words))
  if (denied !== undefined) return deniedBy(name, denied)
  if (!lists.allow.some((pattern) => allows(pattern, words))) {
    const pattern = patternFor(words)
    return {
      code: 'denied',
      message: `${name} may not start ${quoted(words)}: ${lists.allow.length === 0 ? 'the allow list is empty' : 'no pattern of the allow list covers it'}.`,
      hint: `The user can allow it: \`oxbow exec allow ${JSON.stringify(pattern)}\`, or allow = [${JSON.stringify(pattern)}] under [exec] in config.toml.`,
    }
  }
  const unlisted = env.find((variable) => !names.some((pattern) => matchesStars(pattern, variable)))
  return unlisted === undefined
    ? null
    : {
        code: 'denied',
        message: `${name} may not set the variable ${unlisted}, which can change what a program does.`,
        hint: `Leave it out. The user can allow it: env = ["${unlisted}"] under [exec] in config.toml.`,
      }
}

function refuseShell({ name }: Pick<Call, 'name'>, text: string, { deny }: Lists, { shell }: ExecConfig): Failure | null {
  if (!shell)
    return {
      code: 'denied',
      message: `${name} starts a shell, and shells are off in this workspace.`,
      hint: 'Use exec_run. The user can turn shells on: shell = true under [exec] in config.toml.',
    }
  const words = text.split(/[\s;|&()<>`$"'{}]+/).filter((word) => word !== '')
  const denied = deny.find((pattern) => words.some((word, at) => denies(pattern, [word.replace(/^.*\//, ''), ...words.slice(at + 1)])))
  return denied === undefined ? null : deniedBy(name, denied)
}

function deniedBy(name: string, pattern: string): Failure {
  return {
    code: 'denied',
    message: `${name} may not start this: the deny list has ${JSON.stringify(pattern)}.`,
    hint: `Continue without it. The user can change that: \`oxbow exec remove ${JSON.stringify(pattern)}\`, or deny under [exec] in config.toml.`,
  }
}

/** @param words a program and its arguments */
export function allows(pattern: string, [binary = '', ...args]: readonly string[]): boolean {
  const [program = '', ...expected] = wordsOf(pattern)
  if (!matchesStars(program, binary)) return false
  if (expected.length === 0) return true
  const isOpen = expected.at(-1) === '**'
  const fixed = isOpen ? expected.slice(0, -1) : expected
  return (isOpen ? args.length >= fixed.length : args.length === fixed.length) && fixed.every((word, at) => matchesStars(word, args[at]!))
}

/** Errs on the side of denying: the words of the pattern may stand anywhere, in their order. */
export function denies(pattern: string, [binary = '', ...args]: readonly string[]): boolean {
  const [program = '', ...expected] = wordsOf(pattern)
  if (!matchesStars(program, binary)) return false
  let at = 0
  for (const word of expected) {
    if (word === '**') continue
    while (at < args.length && !matchesStars(word, args[at]!)) at += 1
    if (at === args.length) return false
    at += 1
  }
  return true
}

function wordsOf(pattern: string): readonly string[] {
  return pattern.split(/\s+/).filter((word) => word !== '')
}

/** The narrowest pattern that covers the words. */
function patternFor(words: readonly string[]): string {
  return words.map((word) => (word === '' ? '*' : word.replace(/\s+/g, '*'))).join(' ')
}

const maxShown = 200

function quoted(words: readonly string[]): string {
  return JSON.stringify(words.join(' ').slice(0, maxShown).toWellFormed())
}

export interface ExecCallDeps {
  readonly documents: Documents
  readonly execLists: () => Promise<ExecLists>
  readonly execConfig: ExecConfig
  /** As for `createExecLists`. */
  readonly isHeld: boolean
}

/** @returns whether what people add to the allow list counts for nothing */
export function holdsPrograms({ only_tighten: locks }: Pick<Config, 'only_tighten'>): boolean {
  return heldBy(locks)(['exec', 'allow'])
}

const shared = { audience: ['terminal'], labels: { adds: [], sink: false }, timeoutMs: 10_000 } as const satisfies Partial<Call>

export function execListCalls(deps: ExecCallDeps): readonly Call[] {
  return [listPatterns(deps), changePatterns(deps)]
}

const execView = z.strictObject({
  shell: z.boolean().describe('Whether shells may be started.'),
  env: z.array(z.string()).readonly().describe('Names of variables that a call may set.'),
  patterns: z
    .array(z.strictObject({ list: z.enum(['allow', 'deny']), pattern: z.string(), from: z.enum(['config.toml', 'oxbow exec']) }))
    .readonly(),
})

export type ExecView = z.infer<typeof execView>

function listPatterns({ execLists, execConfig }: ExecCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'exec.rules',
    routes: [{ method: 'GET', path: '/exec' }],
    summary: 'Lists the patterns of programs that exec.run may start and of those that nothing may start.',
    input: z.strictObject({}),
    output: execView,
    example: {},
    tier: 'read_only',
    right: 'access.read',
    effect: 'none',
    recordOutput: ({ patterns }) => ({ patterns: patterns.length }),
    async run() {
      const own = await (await execLists()).load()
      const from = (lists: Lists, source: ExecView['patterns'][number]['from']) =>
        (['deny', 'allow'] as const).flatMap((list) => lists[list].map((pattern) => ({ list, pattern, from: source })))
      const { shell, env } = execConfig
      return { output: { shell, env, patterns: [...from(execConfig, 'config.toml'), ...from(own, 'oxbow exec')] } }
    },
  })
}

const patterns = z
  .array(z.string().max(500).refine(isProgramPattern, 'must be the name of a program, without a path, and patterns of its arguments'))
  .max(100)

const lists = z.object({ allow: z.array(z.string()), deny: z.array(z.string()) })

function changePatterns({ documents, execLists, isHeld }: ExecCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'exec.change',
    routes: [{ method: 'PATCH', path: '/exec' }],
    summary: 'Adds patterns to the lists of programs, or removes them; patterns in config.toml stay.',
    input: z.strictObject({
      allow: patterns.describe('Programs that exec.run may start, e.g. "git status" or "git log **".').optional(),
      deny: patterns.describe('Programs that may not be started.').optional(),
      remove: z.array(z.string().max(500)).max(100).describe('Patterns to remove, as they are listed.').optional(),
    }),
    output: lists,
    example: { allow: ['git status'] },
    tier: 'side_effecting',
    right: 'access.write',
    effect: 'idempotent',
    async run({ allow = [], deny = [], remove = [] }, { caller, id: call }) {
      if (isHeld && allow.length > 0)
        throw new OxbowError('denied', 'only_tighten in the configuration holds exec.allow, so no program can be added to it here.', {
          hint: '`oxbow config explain exec.allow` names the file that holds it. Programs can be denied all the same.',
        })
      const changed = await documents.change<Lists>({ caller, call, name: 'exec.change' }, execCategory, listsName, (now) => {
        const { allow: allowed, deny: denied } = now?.value ?? noLists
        const missing = remove.find((pattern) => !allowed.includes(pattern) && !denied.includes(pattern))
        if (missing !== undefined)
          throw new OxbowError('not_found', `${JSON.stringify(missing)} is not a pattern that was added here.`, {
            hint: '`oxbow exec list` shows them. Change patterns from config.toml in that file.',
          })
        const kept = (list: readonly string[], more: readonly string[]) =>
          [...new Set([...list, ...more])].filter((pattern) => !remove.includes(pattern))
        const next = { allow: kept(allowed, allow), deny: kept(denied, deny) }
        if (next.allow.length + next.deny.length > maxProgramPatterns)
          throw new OxbowError('limit_reached', `There would be more than ${maxProgramPatterns} patterns.`, { hint: 'Remove some.' })
        return next
      })
      await (await execLists()).load()
      return { output: { allow: [...(changed?.allow ?? [])], deny: [...(changed?.deny ?? [])] } }
    },
  })
}
