/**
 * What a model takes that the catalog does not say. The protocol changed with its models, and a model refuses the whole
 * request for a way of thinking that it does not know, so it is told from the name: since version 4.6 a model decides itself
 * how long it thinks, and an effort guides it; before, and on compatible services, a number of tokens is set.
 *
 * A name that is newer than this table gets only what every model takes. The table agrees with the AI SDK's,
 * which `model-dialect.test.ts` asks about every model.
 */
export interface ModelDialect {
  readonly thinking: 'adaptive' | 'budget'
  /** What turns thinking off; null where nothing does. */
  readonly off: 'disabled' | 'between_tools' | null
  /** A tool choice may force a call. */
  readonly forcedTools: boolean
  /** Goes on from an assistant turn at the end of the conversation. */
  readonly prefill: boolean
}

const budget: ModelDialect = { thinking: 'budget', off: 'disabled', forcedTools: true, prefill: true }
const adaptive: ModelDialect = { thinking: 'adaptive', off: 'disabled', forcedTools: true, prefill: false }
const newest: ModelDialect = { thinking: 'adaptive', off: null, forcedTools: false, prefill: false }

/** @param model as an endpoint knows it: `claude-opus-4-6`, `us.anthropic.claude-sonnet-4-5-20250929-v1:0`, `anthropic/claude-opus-4.6` */
export function modelDialect(model: string): ModelDialect {
  const claude = claudeOf(model)
  if (claude === null) return budget
  const { family, version } = claude
  // Other families began after the change.
  if (['opus', 'sonnet', 'haiku'].includes(family)) {
    if (version < 406) return budget
    if (version < 505 || (version === 505 && family === 'haiku')) return adaptive
    if (version === 505 && family === 'sonnet') return { ...newest, off: 'between_tools' }
  }
  if (family === 'fable' && version < 501) return { ...newest, forcedTools: true }
  return newest
}

/** @returns family and version, 4.6 as 406; a name without a number counts as the newest. Null for what is none, or older than families. */
function claudeOf(model: string): { readonly family: string; readonly version: number } | null {
  if (/claude-(?:instant|v?[123](?!\d))/.test(model)) return null
  const found = /claude-([a-z]+)(?:-(\d{1,2})(?!\d)(?:[-.](\d{1,2})(?!\d))?)?/.exec(model)
  if (found === null) return null
  const [, family = '', major, minor = '0'] = found
  return { family, version: major === undefined ? Number.POSITIVE_INFINITY : Number(major) * 100 + Number(minor) }
}
