import type { JsonObject } from '../../types/index.ts'

/** What the offline interpreter understands. Paths are full: `/shared/…` or `/tmp/…`. */

export type Command =
  | { readonly kind: 'list'; readonly path: string; readonly depth: number; readonly named: string }
  | { readonly kind: 'read'; readonly path: string; readonly fromLine: number; readonly maxLines: number }
  | { readonly kind: 'search'; readonly pattern: string; readonly path: string; readonly regex: boolean }
  | { readonly kind: 'write'; readonly path: string; readonly text: string }
  | { readonly kind: 'append'; readonly path: string; readonly text: string }
  | { readonly kind: 'edit'; readonly path: string; readonly find: string; readonly replace: string; readonly all: boolean }
  | { readonly kind: 'delete'; readonly path: string; readonly recursive: boolean }
  | { readonly kind: 'run'; readonly command: string }
  | { readonly kind: 'summarise'; readonly path: string }
  | { readonly kind: 'time' }
  | { readonly kind: 'story' | 'help' | 'hello' | 'thanks' | 'unknown' }
  /** The verb is clear and something it needs is missing; `example` shows the whole form. */
  | { readonly kind: 'unclear'; readonly missing: string; readonly example: string }

/** Commands that one tool call carries out. */
export type ToolCommand = Extract<Command, { kind: 'list' | 'read' | 'search' | 'write' | 'edit' | 'delete' | 'run' | 'time' }>

/** 0 stands for "not said". */
export const unsaid = 0

export interface PlannedCall {
  readonly name: string
  readonly arguments: JsonObject
}

/** What a command does next: make these calls, or say this. */
export type Step = { readonly calls: readonly PlannedCall[] } | { readonly say: string }
