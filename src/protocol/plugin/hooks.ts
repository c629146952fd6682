/**
 * Hooks: what plugins see at ten steps of a turn, what of it they may change, and the port by which the kernel asks them. A value is JSON
 * without secrets. A hook makes a step stricter, never looser: the gate judges what it changes as it judges what a model writes.
 */
import type { PluginHookResult } from './plugin-frames.ts'
import type { Labels } from '../record.ts'
import type { JsonObject } from '../../base/index.ts'

/** The steps at which plugins may act. */
export const hookSteps = [
  'message.received',
  'respond.decide',
  'context.compose',
  'model.before',
  'model.after',
  'call.before',
  'call.after',
  'turn.evaluated',
  'event.emitted',
  'turn.ended',
] as const
/** A step at which plugins may act. */
export type HookStep = (typeof hookSteps)[number]

/** What the value of every step has; empty where it is not part of a turn. */
export interface HookPlace {
  readonly session: string
  readonly turn: string
  readonly agent: string
  readonly user: string
}

/** What hooks see at each step. */
export interface HookValues {
  'message.received': HookPlace & {
    readonly id: string
    readonly text: string
    /** Who sends it: `user:ada`, `key:ci`, `agent:scout`, … */
    readonly from: string
    readonly attachments: readonly { readonly name: string; readonly media_type: string; readonly bytes: number }[]
    /** The first message of its session. */
    readonly first: boolean
  }
  'respond.decide': HookPlace & { readonly text: string; readonly respond: boolean }
  /** `append`: what hooks have added so far. */
  'context.compose': HookPlace & { readonly system: string; readonly text: string; readonly append: string }
  'model.before': HookPlace & {
    readonly call: string
    readonly model: string
    /** The newest message. */
    readonly role: string
    readonly text: string
    /** Number of messages. */
    readonly messages: number
    readonly input_tokens: number
    readonly max_output_tokens: number
    /** Null: as the service has it. */
    readonly temperature: number | null
    readonly top_p: number | null
  }
  'model.after': HookPlace & {
    readonly call: string
    readonly status: string
    readonly text: string
    readonly calls: readonly { readonly id: string; readonly name: string; readonly arguments: string }[]
    readonly input_tokens: number
    readonly output_tokens: number
  }
  'call.before': HookPlace & { readonly call: string; readonly name: string; readonly input: JsonObject; readonly tier: string }
  'call.after': HookPlace & {
    readonly call: string
    readonly name: string
    readonly input: JsonObject
    readonly status: string
    /** False: it failed, or worked and reports a failure. */
    readonly ok: boolean
    readonly text: string
    readonly duration_ms: number
  }
  'turn.evaluated': HookPlace & { readonly status: string; readonly reply: string; readonly steps: number }
  'event.emitted': HookPlace & {
    readonly seq: number
    readonly at: number
    readonly kind: string
    readonly actor: string
    readonly fields: JsonObject
  }
  'turn.ended': HookPlace & { readonly status: string; readonly reply: string; readonly duration_ms: number }
}

/** What a hook may change, by step; at the other steps it only observes. */
export interface HookChanges {
  'message.received': { readonly text: string }
  'respond.decide': { readonly respond: false }
  /** Joins the end of the system prompt, between marks. */
  'context.compose': { readonly append: string }
  /** `max_output_tokens` can only be lowered. */
  'model.before': { readonly max_output_tokens?: number; readonly temperature?: number; readonly top_p?: number }
  'model.after': { readonly text: string }
  'call.before': { readonly input: JsonObject }
  'call.after': { readonly text?: string; readonly ok?: boolean }
}

/** Where a hook can change, refuse, or demand approval. */
export type DecidingStep = keyof HookChanges
export type ObservingStep = Exclude<HookStep, DecidingStep>

/** Hooks of OpenClaw, of opencode and of pi, in this order, that mean the same as one of these steps. */
export type HookAlias =
  | 'before_tool_call'
  | 'after_tool_call'
  | 'message_received'
  | 'agent_end'
  | 'session_start'
  | 'tool.execute.before'
  | 'tool.execute.after'
  | 'chat.params'
  | 'session.idle'
  | 'tool_call'
  | 'tool_result'
  | 'turn_start'
  | 'turn_end'

export interface DeclaredHook {
  readonly plugin: string
  /** What a hook that fails or is late means: `open`, the step goes on; `closed`, it is refused. */
  readonly fail: 'open' | 'closed'
}

/** The plugins that have hooks, as the kernel sees them. */
export interface HookSource {
  /** @returns null when it is known what each plugin has; else resolves when it is */
  loading(): Promise<void> | null
  /** The hooks of a step, in the order in which they run. Asked at every step: it costs next to nothing. */
  at(step: HookStep): readonly DeclaredHook[]
  /** Has a plugin's host run. Its start does not count as time of a hook. @returns null when it runs */
  ready(plugin: string, signal: AbortSignal): Promise<void> | null
  /** @returns labels of what a plugin may have kept, and tells by what it changes or refuses */
  kept(plugin: string): Promise<Labels>
  /** @param labels of the value, in addition to its session's @throws whatever goes wrong; what it returns is hostile */
  run(plugin: string, step: HookStep, value: JsonObject, labels: Labels, signal: AbortSignal): Promise<PluginHookResult>
}
