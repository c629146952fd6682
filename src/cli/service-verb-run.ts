/** Runs a verb of a service: one call, and what it shows. */
import { existsSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { text as readText } from 'node:stream/consumers'
import { plainLine, plainText, typedAnswer } from '../terminal/index.ts'
import { errorTable, isOxbowError, type JsonObject, OxbowError, ownValue, toError } from '../base/index.ts'
import type { AgreementQuestion, AskCall, OutputOf, ServiceVerb } from '../protocol/index.ts'
import { openHome, sharedPathOf } from '../runner/index.ts'
import { type GuestChoice, userWorkspace, withGuest, outputOf } from './guest-connection.ts'
import { askLine, isYes } from './input.ts'
import { type DryRunOptions, forPeople } from './kernel/call.ts'
import { isInteractive, printLine, printNotice, printPreview, printText, type Terminal } from './terminal.ts'
import { argumentsOf, type Field, inputOf, nameOf } from './verb-fields.ts'

interface Given {
  readonly fields: readonly Field[]
  /** Arguments, in their order. */
  readonly given: readonly unknown[]
  readonly options: DryRunOptions & Readonly<Record<string, unknown>>
}

/** Of what was typed first. */
const nameChars = 200

/** @returns the exit code */
export async function runVerb(verb: ServiceVerb, { fields, given, options }: Given, terminal: Terminal): Promise<number> {
  const words = argumentsOf(fields, given)
  const typed = {
    options: { ...options, ...words },
    readPiped: () => readText(terminal.input),
    pathForAgents: pathForAgents(options, terminal),
  }
  const name = plainLine([(given[0] ?? '') as string | readonly string[]].flat().join(' '), nameChars)
  const written: JsonObject = { ...verb.fixed, ...inputOf(fields, given, options) }
  const completed = verb.input === undefined ? written : await verb.input(written, typed)
  if (verb.keeps?.(typed.options) === true) await (await import('./verbs/serve.ts')).keepServing(options, terminal)
  return withGuest(options, terminal, async ({ gateway }) => {
    const ask: AskCall = async (call, input) => (await outputOf(gateway, call as string, input)) as OutputOf<typeof call>
    const found = verb.find === undefined ? completed : await verb.find(completed, ask, typed.options)
    const isPreview = options.dryRun === true && verb.preview !== undefined
    const input = verb.agree === undefined || isPreview ? found : await agreed(verb, found, { fields, name, options, ask }, terminal)
    if (input === null) return 0
    if (isPreview) return printPreview(await verb.preview!(input, ask), options, terminal)
    const [call, meant] = verb.instead?.(input, typed.options) ?? [verb.call!, input]
    const outcome = await gateway.call(call, meant)
    if (outcome.status !== 'ok') throw toError(forPeople(outcome.failure, (field) => typedAs(field, fields)))
    const output =
      (await verb.follow?.(outcome.output as never, { options: typed.options, ask, tell: createTell(options, terminal) })) ?? outcome.output
    await print(verb, { output: output as never, of: { input, name, text: outcome.text, options: typed.options, ask } }, terminal)
    const failed = verb.fails === undefined && !outcome.ok ? 'tool_failed' : (verb.fails?.(output as never) ?? null)
    if (isOxbowError(failed)) throw failed
    return failed === null ? 0 : typeof failed === 'number' ? failed : errorTable[failed].exit
  })
}

/** @returns the argument or option that a person typed for a field of the call */
function typedAs(field: string, fields: readonly Field[]): string {
  const usage = fields.find(({ path }) => path.length > 0 && `${field}.`.startsWith(`${path.join('.')}.`))?.usage
  if (usage === undefined) return `--${field.replaceAll('_', '-')}`
  return usage.startsWith('--') ? usage.split(' ')[0]! : `the ${nameOf(usage)}`
}

/** @returns the input with what the person has seen and agreed to; null: they did not. @throws OxbowError `bad_input` where nobody can be asked */
async function agreed(
  verb: ServiceVerb,
  input: JsonObject,
  { fields, name, options, ask }: Pick<Given, 'fields' | 'options'> & { readonly name: string; readonly ask: AskCall },
  terminal: Terminal,
): Promise<JsonObject | null> {
  const { words } = verb
  const { by, field, yes, question, answers, declined, settled } = verb.agree!
  if (ownValue(input, yes ?? field) !== undefined) return input
  const named = Object.fromEntries(
    fields.flatMap(({ usage, path: [at = ''] }) => (usage.startsWith('--') ? [] : [[at, ownValue(input, at)!]])),
  )
  const seen = (await ask(by.call!, { ...by.fixed, ...(yes === undefined ? named : input) })) as JsonObject
  const why = settled?.(seen as never, name) ?? ''
  if (why !== '') {
    printNotice(terminal, why)
    return null
  }
  printText({ output: terminal.errors }, await by.show!(seen as never, { input, name, text: '', options, ask }))
  const asked = answers?.(input, seen as never)
  if (!isInteractive(terminal) && yes !== undefined)
    throw new OxbowError('bad_input', 'Nobody can be asked here, so nothing was changed.', {
      hint: asked?.unasked ?? 'Add --yes to do what is shown above; --dry-run shows it without asking.',
    })
  if (!isInteractive(terminal)) {
    const verbOf = (all: string): string => `oxbow ${all.replace(/ <.*/, '')} ${name}`
    throw new OxbowError('bad_input', `Nobody can be asked here: name the ${field} of what you have seen.`, {
      hint: `${verbOf(by.words)} --json shows it; then: ${verbOf(words)} --${field} ${field.toUpperCase()}`,
    })
  }
  if (asked !== undefined) {
    const answer = await chosen(asked, terminal)
    if (answer !== undefined) return agreed(verb, { ...input, ...answer.input }, { fields, name, options, ask }, terminal)
  } else if (await isYes(question(name), terminal))
    return { ...input, ...(yes !== undefined && { [yes]: true }), [field]: ownValue(seen, field)! }
  printNotice(terminal, declined)
  return null
}

/** @returns undefined: none, so no */
async function chosen({ text, answers }: AgreementQuestion, terminal: Terminal): Promise<AgreementQuestion['answers'][number] | undefined> {
  const shown = answers.map(({ word, does }) => `  ${word[0]}  ${does}`).join('\n')
  return typedAnswer(answers, await askLine(`${text} [${answers.map(({ word }) => word[0]).join('/')}/N] `, terminal, { shown }))
}

/** @returns how agents see a file or folder of this machine */
function pathForAgents({ user }: GuestChoice, terminal: Terminal): (path: string) => string | undefined {
  return (path) => {
    if (!existsSync(path)) return undefined
    const home = openHome(terminal.env)
    const place = { home, workspace: userWorkspace(home, user, terminal), env: terminal.env }
    if (statSync(path).isDirectory()) return sharedPathOf(place, path)
    const folder = sharedPathOf(place, dirname(resolve(path)))
    return folder === undefined ? undefined : join(folder, basename(path))
  }
}

function createTell({ json }: Given['options'], terminal: Terminal): (text: string) => void {
  let told = ''
  return (text) => {
    if (text !== told && json !== true) printNotice(terminal, text)
    told = text
  }
}

async function print(
  { lines, empty, notice, show }: ServiceVerb,
  { output, of }: { readonly output: never; readonly of: Parameters<NonNullable<ServiceVerb['show']>>[1] },
  terminal: Terminal,
): Promise<void> {
  const list = lines?.(output, of)
  if (typeof notice === 'string' && of.options['json'] !== true) printNotice(terminal, notice)
  if (of.options['json'] === true) for (const line of list ?? [output]) printLine(terminal, JSON.stringify(line))
  else if (empty !== undefined && list?.length === 0) printNotice(terminal, empty)
  else if (show !== undefined) {
    const text = await show(output, of)
    if (text !== '') printText(terminal, text)
  }
  // Not every call has words for people.
  else printText(terminal, plainText(of.text).trim() === '' ? JSON.stringify(output, null, 2) : plainText(of.text))
  const last = typeof notice === 'function' && of.options['json'] !== true ? notice(output) : ''
  if (last !== '') printNotice(terminal, last)
}
