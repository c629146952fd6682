/**
 * Verbs of the command line that make one call of a service. Arguments, options and help follow from the schema of the call's input; what a verb
 * says here is what the schema does not know. Loaded when one of them is typed: a start knows only the first words.
 */
import type { MadeCall } from './call-names.ts'
import type { OutputOf } from './call-types.ts'
import type { ErrorCode, Json, JsonObject, OxbowError } from '../base/index.ts'

/** What a service adds to the command line. */
export interface ServiceVerbs {
  /** Verbs and groups of verbs as the help of `oxbow` shows them, each with its line there, by heading: `wait [options] <agent>`, `schedule`. */
  readonly words: { readonly [Heading in VerbHeading]?: Readonly<Record<string, string>> }
  /** Groups of other services, or of the terminal itself, in which verbs of it stand. */
  readonly within?: readonly string[]
  load(): Promise<readonly ServiceVerb[]>
}

type VerbHeading =
  | 'Set up:'
  | 'Talk:'
  | 'Run in the background:'
  | 'Approve and allow:'
  | 'Agents, schedules, budgets:'
  | 'Models and memory:'
  | 'Inspect:'
  | 'Undo and keep:'
  | 'Build and extend:'

/** A verb, or without `call` a group of verbs. Its output is of the type that the call declares. */
export interface ServiceVerb {
  /** As its usage shows it: `budget set <scope>`. An argument is the field of its name, or as `typed` says; `<goal...>` takes all words. */
  readonly words: string
  readonly summary: string
  readonly examples: readonly string[]
  readonly call?: string
  /** Arguments by name, and options by flags (`--per <window>`), where they differ from what the schema makes of the field. */
  readonly typed?: Readonly<Record<string, string | TypedField>>
  /** Fields without an option; true: all that `typed` does not name. */
  readonly omit?: readonly string[] | true
  /** What the input has in addition to what is typed. */
  readonly fixed?: JsonObject
  /** Completes the input, before a guest is looked for. @throws OxbowError for what cannot be meant */
  input?(input: JsonObject, typed: Typed): JsonObject | Promise<JsonObject>
  /** Another call that is made instead, with its input, where that is what was typed; `show` gets its output then. */
  instead?(input: JsonObject, options: Typed['options']): readonly [call: string, input: JsonObject] | undefined
  /** Completes the input by other calls: it finds what was named by the beginning of its id. @throws OxbowError `not_found` */
  find?(input: JsonObject, ask: AskCall, options: Typed['options']): Promise<JsonObject>
  /** What a person has to see first. */
  readonly agree?: Agreement
  /** What it would destroy: the verb takes `--dry-run`, and makes no call that changes anything then. @throws OxbowError `not_found` */
  preview?(input: JsonObject, ask: AskCall): Promise<VerbPreview>
  /** Where the call only begins something: asks until it has ended. @returns the output to show instead @throws OxbowError */
  follow?(output: never, of: Following): Promise<unknown>
  /** True where a guest must go on when the verb has ended. */
  keeps?(options: Typed['options']): boolean
  /** Of a verb that lists things: the field of each that completes an argument or option of this name, `{ schedule: 'id' }` for `<schedule>`. */
  readonly lists?: Readonly<Record<string, string>>
  /** What is written in any home for an argument or option of this name, next to names of what exists: `{ window: ['day'] }` for `<window>`. */
  readonly usual?: Readonly<Record<string, readonly string[]>>
  /** With `--json`, one object a line. */
  lines?(output: never, of: Shown): readonly object[]
  /** Said on the error output instead of an empty list. */
  readonly empty?: string
  /** Said on the error output before it, or as its last line, where no JSON is asked for. */
  readonly notice?: string | ((output: never) => string)
  /** The output as people read it; absent: the text of the call. */
  show?(output: never, of: Shown & { readonly ask: AskCall }): string | Promise<string>
  /** Why the verb fails although the call did not, or its exit code; absent: as the call says that it did not succeed. */
  fails?(output: never): ErrorCode | OxbowError | number | null
}

/** What is typed for a field of the input. */
export interface TypedField {
  /** `budget.tokens` is in the field `budget`; empty: it is no field, and `Typed.options` has it. */
  readonly field: string
  /** Default: the description in the schema. */
  readonly help?: string
  /** What an option without a value gives. */
  readonly value?: Json
  readonly default?: number | string
  /** What one of the typed number is in the unit of the field: 86400 for days where the field counts seconds. */
  readonly unit?: number
}

/** The person is shown it and asked, unless its digest is typed: nothing is agreed to but what was seen. */
interface Agreement {
  /** Shows it: its output has `field`. It takes the same arguments. */
  readonly by: ServiceVerb
  /** The field of the input that says what was seen: `digest` or `hash`. */
  readonly field: string
  /** The field that says yes without having seen it, such as `apply` for `--yes`; set with the answer. Absent: only what was seen is agreed to. */
  readonly yes?: string
  /** @param name what was typed first */
  question(name: string): string
  /** @returns what is asked instead, where what was seen leaves more to answer than yes and no */
  answers?(input: JsonObject, shown: never): AgreementQuestion | undefined
  /** Said where the answer is no. */
  readonly declined: string
  /** @returns what is said where there is nothing to agree to; else empty */
  settled?(shown: never, name: string): string
}

/**
 * What is asked instead of yes or no. Each word, or its first letter, agrees to the call with its input; where that does not say yes, it is another
 * look, which is shown and asked about again.
 */
export interface AgreementQuestion {
  readonly text: string
  /** What to do where nobody can be asked. */
  readonly unasked: string
  readonly answers: readonly { readonly word: string; readonly does: string; readonly input: JsonObject }[]
}

export interface Typed {
  /** By the names of the options in camel case, and arguments that are no field by theirs. */
  readonly options: Readonly<Record<string, unknown>>
  /** @returns what is piped into the verb */
  readPiped(): Promise<string>
  /** @returns how agents see a file or folder of this machine; undefined: they do not */
  pathForAgents(path: string): string | undefined
}

/** @returns the output of a call. @throws OxbowError as it failed */
export type AskCall = <Name extends string>(call: Name & MadeCall<Name>, input: JsonObject) => Promise<OutputOf<Name>>

export interface Following extends Pick<Typed, 'options'> {
  readonly ask: AskCall
  /** Says on the error output where it is; the same is said once. */
  tell(text: string): void
}

/** What was asked for, in addition to the output. */
interface Shown extends Pick<Typed, 'options'> {
  readonly input: JsonObject
  /** What was typed first, in one line. */
  readonly name: string
  /** What the call says of its output; empty: nothing. */
  readonly text: string
}

/** What a verb with `--dry-run` would do. */
export interface VerbPreview {
  /** As it follows "Would"; empty: nothing, as `nothing` says. */
  readonly would: string
  /** What the verb answers where there is nothing to do. */
  readonly nothing?: string
  /** What it would destroy, as the list of such things has it. */
  readonly target: object
}

/** An address of the HTTP API at which terminals and programs make a call. */
export interface CallRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Below `/api/v1`. `{field}` takes one segment, `{field+}` the rest of the path. */
  readonly path: string
  /** Where the output has a list, which is answered in pages; '' for an output that is one. */
  readonly list?: string
  /** Status of a success: 201 for what is created. */
  readonly status?: 200 | 201
}
