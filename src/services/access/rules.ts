/**
 * Learned approvals: what a person has allowed for good. A rule names a call and says, for each field of its input, which values it
 * covers; it may hold for one session only. An input with a field that the rule does not name is not covered.
 *
 * Rules are learned as narrow as their scope allows, and only from what the person has been shown: the id of a rule is the digest of its
 * facts, so the same rule is kept once, one that was changed in the store is ignored, and a decision can name the rule that it confirms.
 * A rule also holds the digest of the sandbox and egress settings under which it was learned, and does not apply under others.
 *
 * A rule replaces the question, nothing else: rights, policy and flow are judged before. Where the labels of a conversation ask, only
 * a rule that was learned for these labels answers.
 */
import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { clientAsk, type Documents, inputsDigest, workspacePath, type Asking } from '../../kernel/index.ts'
import { canonicalJson, isObject, type Json, OxbowError, type SessionId } from '../../base/index.ts'
import type { CommandInputs, Label } from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'

export const ruleCategory = 'system/rules'

/** How wide a rule is learned: this exact input, its pattern, the pattern in this session, the pattern in the folder of its files. */
export const ruleScopes = ['call', 'pattern', 'session', 'folder'] as const
export type RuleScope = (typeof ruleScopes)[number]

/** Which values of a field a rule covers. `digest` covers a value too long to keep and show. */
type FieldRule = { readonly field: string } & (
  | { readonly is: 'exact'; readonly value: Json }
  | { readonly is: 'digest'; readonly sha256: string }
  | { readonly is: 'under'; readonly folder: string }
  /** `options`: the learned command's options, each with the word after it, which may be its value. */
  | { readonly is: 'words'; readonly words: readonly string[]; readonly options?: readonly string[] }
  | { readonly is: 'at_most'; readonly value: number }
  | { readonly is: 'any' }
)

export interface Rule {
  /** Digest of the facts: everything but the last three fields. */
  readonly id: string
  readonly call: string
  readonly fields: readonly FieldRule[]
  /** Empty: any session. */
  readonly session: SessionId | ''
  /** Labels of conversations whose flow of data it allows; empty: none that asks. */
  readonly labels: readonly Label[]
  /** Digest of what else the command ran besides its text; empty: nothing, or it could not be read. */
  readonly inputs?: string
  /** The files that the digest covers. */
  readonly files?: readonly string[]
  /** Digest of the settings under which it was learned. */
  readonly settings: string
  readonly by: string
  readonly at: number
  /** The call from which it was learned. */
  readonly from: string
}

type Facts = Pick<Rule, 'call' | 'fields' | 'session' | 'labels' | 'inputs' | 'files' | 'settings'>

/** @returns the digest of what decides how far a call reaches, whatever its input */
export function settingsDigest({ sandbox, egress }: Pick<Config, 'sandbox' | 'egress'>): string {
  return digest({ tier: sandbox.tier, allow_lower: sandbox.allow_lower, egress })
}

/** @returns a rule that covers the call, or null. Reads the rules each time, so that one that is revoked by another guest is gone, too. */
export async function findRule(
  documents: Documents,
  settings: string,
  asking: Asking,
  readInputs: () => Promise<CommandInputs | null>,
): Promise<Rule | null> {
  const found = (await readRules(documents)).filter((rule) => rule.settings === settings && covers(rule, asking))
  if (found.length === 0) return null
  const inputs = await readInputs()
  return found.find((rule) => (rule.inputs ?? '') === inputsDigest(inputs, isWidened(rule.fields))) ?? null
}

/** Of a command that is known to be harmless with any plain arguments, only the files count in which its program finds what to run. */
function isWidened(fields: readonly FieldRule[]): boolean {
  return fields.some(({ is }) => is === 'words')
}

/** Without those whose facts do not have their digest. */
export async function readRules(documents: Documents): Promise<readonly Rule[]> {
  return (await documents.all<Rule>(ruleCategory)).map(({ value }) => value).filter((rule) => rule.id === ruleId(rule))
}

/** Whether the rule covers the input; what it runs, `findRule` compares. */
export function covers(rule: Rule, { call, input, session, labels }: Asking): boolean {
  if (rule.call !== call || (rule.session !== '' && rule.session !== session)) return false
  if (!labels.every((label) => rule.labels.includes(label))) return false
  const values = fieldsOf(input)
  return (
    values.length === rule.fields.length &&
    rule.fields.every((field) => values.some(([name, value]) => name === field.field && fits(field, value)))
  )
}

function fits(rule: FieldRule, value: Json): boolean {
  switch (rule.is) {
    case 'exact':
      return canonicalJson(value) === canonicalJson(rule.value)
    case 'digest':
      return digest(value) === rule.sha256
    case 'under': {
      const path = typeof value === 'string' ? workspacePath(value) : null
      return path !== null && (path === rule.folder || path.startsWith(`${rule.folder}/`))
    }
    case 'words': {
      const words = typeof value === 'string' ? wordsOf(value) : isTexts(value) ? ['', ...value] : null
      if (words === null || rule.words.length === 0 || !rule.words.every((word, at) => words[at] === word)) return false
      // Options of many harmless programs run others: `rg --pre`, `git grep -O`, `sort --compress-program`.
      return optionsIn(words).every((option) => rule.options?.includes(option) === true)
    }
    case 'at_most':
      return typeof value === 'number' && value <= rule.value
    case 'any':
      return true
    default:
      return false
  }
}

/** @returns the narrowest rule of the scope that covers the call. @throws OxbowError `bad_input` where the scope does not apply */
export function learnRule(scope: RuleScope, asking: Asking, settings: string, origin: Pick<Rule, 'by' | 'at' | 'from'>): Rule {
  const values = fieldsOf(asking.input)
  const { content = [] } = asking
  const fields = values.map(([field, value]): FieldRule => {
    if (asking.call === clientAsk && field === 'call') return { field, is: 'any' }
    if (scope === 'call') return exact(field, value)
    if (field === asking.argv) return widenedArgs(asking.input, value)
    return content.includes(field) ? { field, is: 'any' } : widened(field, value, scope)
  })
  if (scope === 'folder' && !fields.some(({ is }) => is === 'under'))
    throw new OxbowError('bad_input', `${asking.call} names no folder of the workspace.`, { hint: 'Choose another scope.' })
  const inputs = inputsDigest(asking.inputs, isWidened(fields))
  const files = (asking.inputs?.files ?? []).filter(({ script }) => script === true || !isWidened(fields)).map(({ path }) => path)
  const facts = {
    call: asking.call,
    fields,
    session: scope === 'session' ? asking.session : '',
    labels: asking.labels,
    ...(inputs !== '' && { inputs, files }),
    settings,
  } as const
  return { id: ruleId(facts), ...facts, ...origin }
}

/** Fields that hold paths of the workspace. */
const pathFields: ReadonlySet<string> = new Set(['path', 'from', 'to', 'cwd', 'folder'])

function widened(field: string, value: Json, scope: RuleScope): FieldRule {
  if (field === 'command' && typeof value === 'string') {
    const words = wordsOf(value)
    const leading = words === null ? null : leadingWords(words)
    return words === null || leading === null ? exact(field, value) : { field, is: 'words', words: leading, options: optionsIn(words) }
  }
  if (field === 'timeout_s' && typeof value === 'number') return { field, is: 'at_most', value }
  const path = scope === 'folder' && pathFields.has(field) && typeof value === 'string' ? workspacePath(value) : null
  if (path === null) return exact(field, value)
  return { field, is: 'under', folder: field === 'cwd' || field === 'folder' ? path : posix.dirname(path) }
}

/** Arguments of a program without a shell, which the rule's field `binary` names. */
function widenedArgs(input: unknown, value: Json): FieldRule {
  const binary = isObject(input) ? input['binary'] : undefined
  if (typeof binary !== 'string' || !isTexts(value)) return exact('args', value)
  const leading = leadingWords([binary, ...value])
  return leading === null
    ? exact('args', value)
    : { field: 'args', is: 'words', words: ['', ...leading.slice(1)], options: optionsIn(value) }
}

function isTexts(value: Json): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

/** Longer values are kept as their digest. */
const maxKeptCharacters = 300

function exact(field: string, value: Json): FieldRule {
  return canonicalJson(value).length > maxKeptCharacters ? { field, is: 'digest', sha256: digest(value) } : { field, is: 'exact', value }
}

/** Fields of an input in the order of their names; one that is no object is a field without a name. */
function fieldsOf(input: unknown): readonly (readonly [name: string, value: Json])[] {
  if (!isObject(input)) return [['', (input ?? null) as Json]]
  const entries = Object.entries(input as Readonly<Record<string, Json | undefined>>)
  return entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])).sort(([a], [b]) => (a < b ? -1 : 1))
}

/** Only these characters: bash then does nothing with the words but pass them on. */
const plainCommand = /^[A-Za-z0-9_@%+=:,./ -]+$/

/** @returns the words of a command that is one program with plain arguments; null for any other */
function wordsOf(command: string): readonly string[] | null {
  return plainCommand.test(command) ? command.split(' ').filter((word) => word !== '') : null
}

/** @returns each word that begins with a dash, with the word after it unless it has its value (`--a=b`) or another option follows */
function optionsIn(words: readonly string[]): readonly string[] {
  const found = words.flatMap((word, at) => {
    const next = words[at + 1]
    return word.startsWith('-') ? [next === undefined || next.startsWith('-') || word.includes('=') ? word : `${word} ${next}`] : []
  })
  return [...new Set(found)]
}

/** Programs that run what their arguments say, or destroy: only the exact command is learned. */
const neverWidened: ReadonlySet<string> = new Set(
  (
    'awk bash bun bunx busybox chgrp chmod chown chroot command cp curl dash dd deno doas ed emacs env eval exec expect export find fish ' +
    'flock gawk gdb install ionice java kill ln lua m4 make mkfs mv nice node nohup npx nsenter parallel perl php pkill pnpx pypy python ' +
    'rm rmdir rsync ruby script sed setsid sh shred source ssh stdbuf strace su sudo tar taskset tclsh tee time timeout truncate ' +
    'tsx unshare uv uvx vi vim watch wget xargs zsh'
  ).split(' '),
)
/** Subcommands whose next word is run: a rule never ends with one. */
const runsNext: ReadonlySet<string> = new Set(['dlx', 'eval', 'exec', 'foreach', 'run', 'shell', 'x'])
const maxLearnedWords = 3

/** @returns the program and its subcommands, by which commands like this one are recognized; null when only this one is safe */
function leadingWords([program = '', ...rest]: readonly string[]): readonly string[] | null {
  if (!/^[a-z][a-z0-9_+-]*$/i.test(program) || neverWidened.has(program.replace(/[0-9.]+$/, '')) || neverWidened.has(program)) return null
  const end = rest.findIndex((word) => !/^[a-z][a-z0-9-]*$/.test(word))
  const words = [program, ...(end === -1 ? rest : rest.slice(0, end))].slice(0, maxLearnedWords)
  return runsNext.has(words.at(-1)!) ? null : words
}

/** A rule in words. */
export function describeRule({ call, fields, session, labels, files = [] }: Omit<Facts, 'settings'>): string {
  const parts = fields.map(describeField)
  const where = session === '' ? '' : `, in session ${session}`
  const read = labels.length === 0 ? '' : `, also after reading ${labels.join(' and ')} data`
  const unchanged = files.length === 0 ? '' : `, while ${files.join(' and ')} ${files.length === 1 ? 'is' : 'are'} as now`
  return `${call} with ${parts.length === 0 ? 'an empty input' : parts.join(', ')}${where}${read}${unchanged}`
}

function describeField(rule: FieldRule): string {
  const name = rule.field === '' ? 'input' : rule.field
  switch (rule.is) {
    case 'exact':
      return `${name} ${JSON.stringify(rule.value)}`
    case 'digest':
      return `${name} exactly as now (sha256 ${rule.sha256.slice(0, 12)}…)`
    case 'under':
      return `${name} in ${rule.folder}/`
    case 'words':
      return `${name} "${rule.words.join(' ')} …" ${describeOptions(rule.options ?? [])}`
    case 'at_most':
      return `${name} at most ${rule.value}`
    case 'any':
      return `any ${name}`
    default:
      return name
  }
}

function describeOptions(options: readonly string[]): string {
  return options.length === 0 ? 'without options' : `with no options but ${options.join(', ')}`
}

function ruleId({ call, fields, session, labels, inputs, files, settings }: Facts): string {
  return digest({ call, fields, session, labels, inputs, files, settings }).slice(0, 24)
}

/** @returns the SHA-256 of a value as JSON, whatever the order of its fields */
export function digest(value: unknown): string {
  return createHash('sha256')
    .update(canonicalJson(value as Json))
    .digest('hex')
}
