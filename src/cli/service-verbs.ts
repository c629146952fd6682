/**
 * Verbs that make one call. Their arguments, options and help follow from the schema of the call, which is loaded only where one of these
 * verbs is typed.
 */
import type { Command } from 'commander'
import { loadInputSchemas, services } from '../services/index.ts'
import { type JsonObject, ownValue } from '../base/index.ts'
import type { Call, ServiceVerb, ServiceVerbs } from '../protocol/index.ts'
import { addFields, type Field, fieldsOf } from './verb-fields.ts'
import { type AddVerbs, dryRunOption, examples, plainVerb, userOption, userVerb } from './verb-parts.ts'

/** Verbs of calls that no service in the list has: those about memory and about programs of others. */
interface OtherVerbs {
  readonly verbs: ServiceVerbs
  /** Describes the calls. */
  calls(): Promise<readonly Call[]>
}

const others: readonly OtherVerbs[] = [
  {
    verbs: { words: {}, within: ['memory'], load: async () => (await import('../tools/index.ts')).memoryVerbs },
    calls: async () => (await import('../tools/index.ts')).describedMemoryCalls(),
  },
  {
    verbs: { words: {}, within: ['skills'], load: async () => (await import('../skills/index.ts')).skillVerbs },
    calls: async () => (await import('../skills/index.ts')).describedSkillCalls(),
  },
  {
    verbs: {
      words: {
        'Approve and allow:': {
          remotes: 'add other people’s agents that speak A2A, approve their cards, turn them off',
          coders: 'add other people’s coding agents that speak ACP, approve and remove them',
        },
      },
      within: ['servers'],
      async load() {
        const { coderVerbs, remoteVerbs, serverVerbs } = await import('../connect/index.ts')
        return [...serverVerbs, ...remoteVerbs, ...coderVerbs]
      },
    },
    async calls() {
      const { describedCoderCalls, describedRemoteCalls, describedServerCalls } = await import('../connect/index.ts')
      return [...describedServerCalls(), ...describedRemoteCalls(), ...describedCoderCalls()]
    },
  },
]

/** Verbs of services that are loaded, with the JSON Schemas of the inputs of their calls. */
export interface LoadedVerbs {
  readonly verbs: readonly ServiceVerb[]
  readonly inputs: ReadonlyMap<string, JsonObject>
}

const firstOf = (usage: string): string => usage.split(' ')[0]!

const wordsOf = ({ words }: Pick<ServiceVerb, 'words'>): readonly string[] => words.split(' ').filter((word) => !/^[<[]/.test(word))

/** @param typed the first word; null: loads all verbs, for documentation and completion. @returns nothing where it is no verb of a service */
export async function loadServiceVerbs(typed: string | null): Promise<LoadedVerbs> {
  const isMeant = ({ verbs }: { readonly verbs?: ServiceVerbs }): boolean => {
    const words = [...Object.values(verbs?.words ?? {}).flatMap((lines) => Object.keys(lines).map(firstOf)), ...(verbs?.within ?? [])]
    return verbs !== undefined && (typed === null || words.includes(typed))
  }
  const [meant, meantOthers] = [services.filter(isMeant), others.filter(isMeant)]
  if (meant.length + meantOthers.length === 0) return { verbs: [], inputs: new Map() }
  const all = (await Promise.all([...meantOthers, ...meant].map(({ verbs }) => verbs!.load()))).flat()
  const verbs = all.filter((verb) => typed === null || wordsOf(verb)[0] === typed)
  const calls = new Set(verbs.flatMap(({ call }) => call ?? []))
  const described = (await Promise.all(meantOthers.map((each) => each.calls()))).flat()
  return { verbs, inputs: await (await loadInputSchemas()).inputSchemas(meant, described, calls) }
}

/** Adds those under one heading. What is not loaded has a line in the help and nothing more. */
export function addServiceVerbs(heading: string, { verbs, inputs }: LoadedVerbs): AddVerbs {
  return (program, terminal, choose) => {
    const lines = new Map([...others, ...services].flatMap((each) => Object.entries(ownValue(each.verbs?.words ?? {}, heading) ?? {})))
    // Groups of the terminal itself, which it has just added.
    for (const command of program.commands) if (command.helpGroup() === heading) lines.set(command.name(), '')
    for (const [usage, summary] of lines) {
      const first = firstOf(usage)
      // A group before the verbs in it, which another service may have.
      const own = verbs.filter((verb) => wordsOf(verb)[0] === first).sort((a, b) => wordsOf(a).length - wordsOf(b).length)
      if (own.length === 0 && !program.commands.some((command) => command.name() === first)) {
        const [name, options] = usage.split(' [options]')
        const line = plainVerb(program.command(name! + (options ?? '')), summary)
        if (options !== undefined) line.option(...userOption)
      }
      for (const verb of own) {
        const command = commandOf(program, verb)
        command.addHelpText('after', examples(...verb.examples))
        if (verb.call !== undefined) addCall(command, verb, fieldsOf(verb, inputs.get(verb.call)), [terminal, choose])
      }
    }
  }
}

function addCall(
  command: Command,
  verb: ServiceVerb,
  fields: readonly Field[],
  [terminal, choose]: readonly [Parameters<AddVerbs>[1], Parameters<AddVerbs>[2]],
): void {
  addFields(command, fields)
  if (verb.preview !== undefined) command.option(...dryRunOption)
  command.option('--json', verb.lines === undefined ? 'print the output as one JSON value' : 'print one JSON object per line')
  command.action((...given: readonly unknown[]) =>
    choose(async () => (await import('./service-verb-run.ts')).runVerb(verb, { fields, given, options: command.opts() }, terminal)),
  )
}

/** A name of a call that stands by itself: not a right, an argument, a key with its value or in `config set`, or in a command line. */
const namedCall = /(?<![\w.\-/`'"]|call |config \w+ |--\w+ )[a-z]+\.[a-z_]+(?![\w/]|\.\w| =)/g

/** Hints are also for models, and name calls; a person types verbs. @param program for the verbs that no service describes */
export async function hintForPeople(hint: string, program: Command): Promise<string> {
  if (hint.match(namedCall) === null) return hint
  const { verbs } = await loadServiceVerbs(null)
  return hint.replaceAll(namedCall, (name) => {
    const own = verbs.filter(({ call }) => call === name).map((verb) => wordsOf(verb).join(' '))
    const words = own.find((each) => each === name.replace('.', ' ')) ?? own[0] ?? likeCall(name, program)
    return words === undefined ? name : `\`oxbow ${words}\``
  })
}

/** `model.list` is `oxbow models`, and `memory.search` `oxbow memory search`. */
function likeCall(name: string, { commands }: Command): string | undefined {
  const [family = '', verb] = name.split('.')
  const group = commands.find((command) => [family, `${family}s`].includes(command.name()))
  if (group?.commands.some((command) => command.name() === verb)) return `${group.name()} ${verb}`
  return verb === 'list' ? group?.name() : undefined
}

/** `counter add` stands below `counter`, which groups them. */
function commandOf(program: Command, verb: ServiceVerb): Command {
  const words = wordsOf(verb)
  const parent = words.slice(0, -1).reduce((group, word) => group.commands.find((command) => command.name() === word) ?? group, program)
  const command = parent.command(words.at(-1)!)
  return verb.call === undefined ? plainVerb(command, verb.summary) : userVerb(command, verb.summary)
}
