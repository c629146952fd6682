/** What was mended in the tool calls of models, and what could not be, counted by kind for the status and for metrics. */

export type RepairKind =
  /** No arguments at all, or `null`: taken for an empty object. */
  | 'empty_arguments'
  /** The arguments stood in a Markdown code fence. */
  | 'code_fence'
  /** The arguments were a JSON string that holds JSON. */
  | 'double_encoded'
  /** Quotes, commas, raw line breaks, names or closing brackets were mended. */
  | 'syntax'
  /** Several objects in one call became several calls. */
  | 'split_calls'
  /** The same object once more, or an empty one before the real one, was left out. */
  | 'echoed_arguments'
  /** The arguments were wrapped under a key that the tool does not know. */
  | 'wrapped_arguments'
  | 'tool_name'
  /** An id was missing, or there twice. */
  | 'call_id'
  /** Left as they were: nobody can say what was meant. The gate answers with what is wrong. */
  | 'broken_arguments'
  /** Left as it was: no tool, or more than one, is meant. The registry answers with the nearest names. */
  | 'unknown_tool'

/** Counts go up and never down; the owner reads them whenever it likes. */
export type RepairCounts = Record<RepairKind, number>

export function createRepairCounts(): RepairCounts {
  return {
    empty_arguments: 0,
    code_fence: 0,
    double_encoded: 0,
    syntax: 0,
    split_calls: 0,
    echoed_arguments: 0,
    wrapped_arguments: 0,
    tool_name: 0,
    call_id: 0,
    broken_arguments: 0,
    unknown_tool: 0,
  }
}
