/**
 * The description of a system call, and what a call and its callers see of each other. The model's tools, CLI help, the gateway's `call`
 * frame and the reference pages are derived from the description, which the gate follows.
 */
import type { CallRoute } from './service-verb.ts'
import type { MadeCall } from './call-names.ts'
import type { Spend } from './output-schema.ts'
import type { Attachment } from './view-schema.ts'
import type { z } from 'zod'
import type { RightLimits } from './access.ts'
import type { CallId, Clock, Failure, Json, JsonObject, ProcessId, SessionId, TurnId, UserId } from '../base/index.ts'
import type { Label } from './record.ts'
import type { Sandbox } from './hands/hands.ts'
import type { Blobs } from './message.ts'
import type { KeptFile } from './message-schema.ts'
import type { PlannedCall } from './planned-call.ts'
import type { DataOrigin, LabelOrigin, LabelScope, Provenance } from './origin.ts'

/** Determines scheduling and the default approval policy. */
export type Tier = 'read_only' | 'side_effecting' | 'privileged'

/** `none`: safe to repeat. `idempotent`: safe to repeat with the same call id. `once`: reconciled after a crash, never repeated. */
export type Effect = 'none' | 'idempotent' | 'once'

/** Who may make a call: a model (as a tool), a person's terminal, or only the runtime. */
type Audience = 'model' | 'terminal' | 'runtime'

/** The cost of a call that is free. */
export const noSpend: Spend = { microDollars: 0, tokens: 0 }

/** @param sign -1 subtracts `b` */
export function addSpend(a: Spend, b: Spend, sign: 1 | -1 = 1): Spend {
  return { microDollars: a.microDollars + sign * b.microDollars, tokens: a.tokens + sign * b.tokens }
}

/** Who calls, and for whom. */
export interface Caller {
  readonly user: UserId
  /** `user:<id>`, `key:<name>`, `agent:<name>`, `program:<name>` or `kernel`. */
  readonly actor: string
  readonly rights: ReadonlySet<string>
  /** Absent: its rights hold for every resource. */
  readonly limits?: RightLimits
  /** Whose calls this caller may make, so that a call requested by a model never passes for one of the runtime. */
  readonly audience: Audience
  readonly session: SessionId | ''
  readonly turn: TurnId | ''
  readonly process: ProcessId | ''
  /** Branch of files that its calls work on; absent: the workspace. */
  readonly branch?: string
  /** Key of the persona that an agent is: it recalls what it has noted as this, and nobody else does. Absent: none. */
  readonly persona?: string
  /** Data that this call has besides what its session has read. */
  readonly scope?: LabelScope
  /** What it was not given besides its rights, such as a call that its manifest does not list; nobody excuses that. Absent: nothing. */
  readonly refuses?: (call: Pick<Call, 'name' | 'reaches' | 'goesTo'>, input: unknown) => Failure | null
  /** Aborted when the rights are gone, with an OxbowError as the reason: what the caller has running is cancelled. Absent: they stay. */
  readonly ended?: AbortSignal
}

/** The files that a program of a call sees by itself. */
export interface ProgramSees {
  /** Of files; absent: the workspace. */
  readonly branch?: string | undefined
  readonly folders: readonly string[]
  /** Labels of earlier data that it may have kept, and may write. Absent: nothing. */
  readonly holds?: Provenance
  /** It runs on after the call, and may write to the folders. Absent: it does not. */
  readonly goesOn?: { readonly program: string; readonly lives: () => boolean }
}

/** Everything that a running call may use. */
export interface CallContext {
  readonly id: CallId
  readonly caller: Caller
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly sandbox: Sandbox
  /**
   * The branch of files under this call's id: a copy of the workspace, made with the first request; after a restart the same one. From
   * then on the calls of `call` work on it. A person, or an agent above, merges or drops it.
   * @throws OxbowError as `branch.create` does
   */
  branch(): Promise<{ readonly name: string; readonly sandbox: Sandbox }>
  /** Extends this call's reservation. @returns false if a budget does not cover it; nothing is reserved then */
  reserveMore(spend: Spend): boolean
  /** Extends this call's reservation by as much of an amount as the budgets cover. @returns what was added */
  reserveUpTo(spend: Spend): Spend
  /**
   * Makes a call of the runtime for this one: in its session and turn, with its own records, for what another program asks of the person
   * or of a model. While it waits for a person, neither this call's time limit nor the turn's counts.
   * @param actor who asks; budgets of that name apply @throws OxbowError of the store only; everything else is in the outcome
   */
  call<Name extends string>(actor: string, name: Name & MadeCall<Name>, input: unknown, scope?: LabelScope): Promise<CallOutcome>
  /** As `call`, with the rights and the audience of the caller itself: what it reads joins the scope, and not the session. */
  readApart<Name extends string>(scope: LabelScope, name: Name & MadeCall<Name>, input: unknown): Promise<CallOutcome>
  /**
   * Makes a call for a plugin, in the session and turn of this one, as the actor `plugin:NAME`: one that models may make, or one that is
   * `forPlugins`, with the rights that both this caller and the plugin have.
   * @param approved entries of rights that a person has approved for the plugin
   * @param scope what it reads apart
   */
  callAs<Name extends string>(
    plugin: string,
    approved: readonly string[],
    name: Name & MadeCall<Name>,
    input: unknown,
    scope?: LabelScope,
  ): Promise<CallOutcome>
  /**
   * Judges an input to which this call is led by what it reads, such as the address of a redirect, by the rights of the caller and the rules
   * about data. Nobody is asked. The call's result also gets the labels that rules give to it.
   * @returns why it must not go there; null: it may
   */
  leadsTo(input: unknown): Promise<Failure | null>
  /** Shows those who follow the session the end of what the call has put out so far. Not recorded; hostile text. */
  progress(output: string): void
  /** Appends a record about this call before its outcome; see the phase `exchange`. */
  record(body: JsonObject): void
  /**
   * Erases the bodies of records by seq, and records that; the hash chain stays valid.
   * @returns the numbers of erased bodies and blobs, and the seqs that were kept because a running call or turn needs them
   */
  erase(
    seqs: readonly number[],
    reason: string,
  ): Promise<{ readonly bodies: number; readonly blobs: number; readonly kept: readonly number[] }>
  /** Files attached to the messages of the current turn, by index; then attachments of the session's earlier turns, the newest first. */
  attachments(): Promise<readonly Attachment[]>
  /** Content-addressed storage of the journal. */
  readonly blobs: Blobs
  /** Labels of the files that this call has read so far, as far as they say more than that others may have written them. */
  labels(): readonly Label[]
  /** Waits for a program that sees files by itself: the call gets the labels of all, and what changes gets the call's. For `files: 'workspace'`. */
  whileProgram<Result>(sees: ProgramSees, work: () => Promise<Result>): Promise<Result>
}

/** What `run` returns: the output, the text for a model, and the cost, files and labels of the call. */
export interface Done<Output> {
  readonly output: Output
  /** The text for a model. Default: the output as JSON; a call with `recordOutput` has such a text only where a model makes it. */
  readonly text?: string
  /** Stored pictures of the result, shown to a model that accepts pictures. The text names them for all others. */
  readonly files?: readonly KeptFile[]
  /** Labels in addition to those in the description, known only after the run. */
  readonly labels?: readonly Label[]
  /** Where its labelled data comes from. Default: what the input names, see `originOfCall`. */
  readonly origins?: readonly DataOrigin[]
  readonly spent?: Spend
  /** False when the call worked but reports a failure, such as a command that exits with 1: the model sees it as not ok. */
  readonly ok?: boolean
}

/**
 * Fields of an input that tell what the call reaches, for rights that are limited to resources: paths of the workspace, an address, the name of
 * a skill, or tags of memories. `covered`: the results hold only what the rights of the caller cover.
 */
export type Reaches =
  | { readonly kind: 'paths' | 'url' | 'name' | 'tags'; readonly fields: readonly string[] }
  | { readonly kind: 'covered' }

/** A program that a call starts, or the text for a shell. */
export interface StartedProgram {
  /** Null: no shell; then the program is `binary`. */
  readonly shell: string | null
  readonly binary: string
  readonly args: readonly string[]
  /** Names of variables that the call sets. */
  readonly env: readonly string[]
  /** Where it starts; empty: not known. */
  readonly cwd: string
}

/** What rules about effects can name. */
export type Deed = 'delete' | 'overwrite' | 'schedule' | 'delegate'

/** What is on record of a call that succeeded. */
interface RecordedCall {
  readonly id: CallId
  readonly input: JsonObject
  readonly outcome: JsonObject
}

/** What watchers see of a call that succeeded. */
export interface CallEvent {
  readonly kind: string
  readonly fields: JsonObject
}

/** What stage 4 must know of a call. */
interface CallLabels {
  /** Labels that the call adds to its output. */
  readonly adds: readonly Label[]
  /** It sends data outside. */
  readonly sink: boolean
  /** A sink that only the guest's own user reads, who may see everything in the conversation. */
  readonly toPerson?: true
  /** A sink that gives a program outside what a model of this guest wrote, or what the program asked for. */
  readonly toProgram?: true
  /** A sink that only loads something, such as a page, though it must not be repeated. */
  readonly loads?: true
  /** Fields of its input whose text its result never repeats. */
  readonly silent?: readonly string[]
  /** Of an action, the plugin that has it: untrusted text of only this origin does not make the call ask. */
  readonly own?: DataOrigin
}

export interface Call<Input = any, Output = any> {
  /** `family.verb`. As a model's tool, `family_verb`. */
  readonly name: string
  /** Its own addresses, in addition to `POST /calls/{name}`. */
  readonly routes?: readonly CallRoute[]
  /** One sentence. */
  readonly summary: string
  readonly input: z.ZodType<Input>
  /** JSON Schema of the input for models and people, if somebody else wrote it; absent: `input`'s. */
  readonly parameters?: JsonObject
  readonly output: z.ZodType<Output>
  /** A valid input, shown in help and in errors. */
  readonly example: Input
  readonly tier: Tier
  /** The tier for one input, where it can be lower than `tier`. */
  readonly tierOf?: (input: Input, caller: Caller) => Tier
  readonly right: string
  /** Why a person is asked before this call runs, whoever makes it and whatever the tiers say; absent: policy decides. */
  readonly asks?: (input: Input) => string
  /** Only a person who may change what is allowed answers it, never a mode or an option that allows whatever asks. For a call that `asks`. */
  readonly personal?: true
  /**
   * Why allowing this input would certainly fail, such as a required answer that is missing: the yes is refused, and the call keeps waiting.
   * @param asked the input in question, which a person may have changed
   */
  readonly unfit?: (input: Input, asked: Input) => Promise<Failure | null>
  /** The program that an input starts, which the lists of `[exec]` judge; absent: none. */
  readonly starts?: (input: Input) => StartedProgram
  readonly effect: Effect
  readonly audience: readonly Audience[]
  readonly labels: CallLabels
  /** Its output, not its text, may have secrets: it reaches the person who asked, and nothing else. */
  readonly reveals?: true
  /** Its output is bytes as base64, which only look like secrets: only known secrets are hidden in it. */
  readonly encoded?: true
  /** Plugins may make it, whatever its audience. */
  readonly forPlugins?: true
  /** A model finds it by the call that `findsTools` where too many tools are on to offer all. */
  readonly rare?: true
  /** Each line of its text, `NAME: …`, names a tool that is offered from then on. Without such a call all tools are. */
  readonly findsTools?: true
  /**
   * What the call does with workspace files: `writes` them, shows them as versions or branches had them (`past`), or runs programs that may
   * do anything with all of them (`workspace`). Absent: it reads at most, by hands. Hands refuse whatever a call has not declared.
   */
  readonly files?: 'writes' | 'past' | 'workspace'
  /**
   * What it does that rules of `[[flow.sink]]` can name. Absent: nothing, but for a call of models that is not read-only, which then may delete
   * and overwrite.
   */
  readonly does?: readonly Deed[]
  /** What programs of a call with `files: 'workspace'` see of it; absent: all. A call that sends data outside may send what they see. */
  readonly folders?: readonly string[]
  /** Absent: its input does not tell what it reaches, so that a limited right does not allow it. */
  readonly reaches?: Reaches
  /** Where its network leads, besides what `reaches` says: the hosts of this field of its input, or anywhere. Absent: nowhere. */
  readonly goesTo?: { readonly hosts: string } | 'anywhere'
  /** The part of its effect that cannot be undone, in words that continue the call's name. `unversioned`: it removes what has no versions. */
  readonly lasting?: string
  /** The call that makes up for it, where an undo of its turn cannot take it back: of what was recorded of it. Absent or null: none does. */
  readonly compensation?: (done: RecordedCall) => { readonly call: string; readonly input: JsonObject } | null
  /** Fields with content that may differ where a person has allowed a call for a whole folder. */
  readonly content?: readonly string[]
  /** The runtime makes it with what a model wrote: it is judged as a call of that model. */
  readonly forModel?: true
  /** Why this guest cannot make it, e.g. a browser in a tier without one: it is not offered, and whoever asks for it is told. Absent: it can. */
  readonly unavailable?: Failure
  /** Whoever makes it waits for this while it runs: agents that it has started, or an event or a time. */
  readonly waitsFor?: 'child' | 'event'
  /** Field with a listed program's arguments; a rule may leave any of them open. The program starts without a shell. */
  readonly argv?: string
  /** Programs with a key use their agent with it, and only they, not this guest's models, get it as a tool. It decides and configures nothing. */
  readonly forPrograms?: true
  /** It is meaningful only within a turn, so programs with a key are not offered it. */
  readonly inTurn?: true
  /** The event that a successful outcome is. @param body of the outcome's record; only ids, names, counts and reasons may be in the fields */
  readonly event?: (body: JsonObject) => CallEvent
  /** Infinity for calls that end by other limits. */
  readonly timeoutMs: number
  /** It asks a service that may bill all that was reserved, also where a crash hides the answer. */
  readonly billed?: true
  /** The most that it can cost; absent: it is free. Asked first for a cheap upper bound, again with `exact` only if that exceeds a budget. */
  readonly reserve?: (input: Input, exact: boolean, caller: Caller) => Spend | Promise<Spend>
  /**
   * The row of the store's tables that a successful outcome changes; the journal writes it with the record. `new_session`: from the
   * fields `id` and `title` of the record; `session`: from `session` and `change`; `scratchpad`: the call is the session's newest.
   */
  readonly projection?: 'new_session' | 'session' | 'scratchpad'
  /** Answers in a plan in place of `run`, as that would, and changes only the plan; absent: no such answer would be honest. */
  readonly planned?: (input: Input, plan: PlannedCall, context: CallContext) => Promise<Done<Output>>
  /** What it reads or changes that is no file, with its versions now, for which alone a plan holds. */
  readonly basis?: (input: Input) => Promise<Readonly<Record<string, string>>>
  /** The part of the input to record, when the input is stored elsewhere or must not be stored. */
  readonly recordInput?: (input: Input, caller: Caller) => Json
  /** Its input is a secret: what the caller wrote comes to it as it is, also what is known as a secret. `recordInput` leaves it out. */
  readonly keepsSecret?: true
  /** Fields of the outcome record, in addition to the `text` that `run` returns, if any. A `status` here replaces the general one. */
  readonly recordOutput?: (output: Output) => JsonObject
  run(input: Input, context: CallContext): Promise<Done<Output>>
}

/** Takes the types of a description from its two schemas, so that each field stands in one place. */
export const defineCall = <Input extends z.ZodType, Output extends z.ZodType>(
  call: Call<z.output<Input>, z.output<Output>> & { readonly input: Input; readonly output: Output },
): Call<z.output<Input>, z.output<Output>> => call

/**
 * Whether all untrusted text of a conversation comes from the calling plugin, which then reaches only hosts approved for the plugin: it
 * can send there itself whatever it has. It must not have private data. What has no origin, or was given to the conversation, is nobody's.
 */
export function isOwnText(
  { actor, limits }: Pick<Caller, 'actor' | 'limits'>,
  { labels, right, reaches }: Pick<Call, 'labels' | 'right' | 'reaches'>,
  held: readonly Label[],
  { given, from }: { readonly given: readonly Label[]; readonly from: readonly LabelOrigin[] },
): boolean {
  const toOwnHosts = actor.startsWith('plugin:') && reaches?.kind === 'url' && limits?.only.has(right) === true
  const own = labels.own ?? (toOwnHosts ? actor : undefined)
  const origins = from.filter(({ label }) => label === 'untrusted')
  if (own === undefined || held.join() !== 'untrusted' || given.includes('untrusted')) return false
  return origins.length > 0 && origins.every((origin) => origin.from === own)
}

/** How a call ended. A failure is a value, so that no caller can forget to catch it. */
export type CallOutcome<Output = unknown> =
  | {
      readonly status: 'ok'
      readonly output: Output
      readonly text: string
      readonly ok: boolean
      readonly files?: readonly KeptFile[]
      /** Labels of the text. Before a model reads an `untrusted` text, it must be fenced. */
      readonly labels?: readonly Label[]
    }
  | {
      /**
       * `refused`: stopped at the gate, nothing ran. `failed`: ran and failed. `cancelled`: stopped while running. `unknown`: a crash hid
       * the outcome of a call with effect `once`, which was not repeated.
       */
      readonly status: 'refused' | 'failed' | 'cancelled' | 'unknown'
      readonly failure: Failure
      readonly text: string
      /** Labels of the text: the message of a failure may quote what the call read. */
      readonly labels?: readonly Label[]
    }

/** @returns the name of a call as models see it: `file_read` for `file.read` */
export function toolName(call: string): string {
  return call.replaceAll('.', '_')
}

/**
 * Metadata of a field that a model understands by its name, its type and the summary of its call: `z.string().meta(evident('…'))`. The
 * reference shows its description and default to people; the model's tools leave them out.
 */
export function evident(description: string): { readonly description: string; readonly evident: true } {
  return { description, evident: true }
}
