/** Functions that answer requests, by operation. */
export type HandlersOf<Ops extends Record<keyof Ops, { input: unknown; output: unknown }>> = {
  [Op in keyof Ops]: (input: Ops[Op]['input'], signal: AbortSignal) => Promise<Ops[Op]['output']>
}
