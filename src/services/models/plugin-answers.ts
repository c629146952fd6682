/**
 * Plugins as models: one that is asked learns the whole request, and may answer, or fail, with what it has kept of others. Whoever asks it
 * records the request's labels; the answer's labels are found here.
 */
import type { Core } from '../../kernel/index.ts'
import {
  type CallContext,
  type DataOrigin,
  type Done,
  type GenerateOutput,
  type GenerateRequest,
  joinLabels,
  labelledError,
  type Labels,
  type ModelAsk,
} from '../../protocol/index.ts'
import { type GenerationDeps, type ReservedTokens, runGeneration } from './generation.ts'

export interface AnswerDeps extends GenerationDeps, Pick<Core, 'told'> {
  readonly sessions: Pick<Core['sessions'], 'held' | 'origins'>
}

/** As `runGeneration`, with the labels of an answer of a plugin. */
export async function generateLabelled(
  request: GenerateRequest,
  reserved: ReservedTokens,
  context: CallContext,
  deps: AnswerDeps,
): Promise<Done<GenerateOutput>> {
  const { caller } = context
  const { sessions, told } = deps
  const plugins = new Set<DataOrigin>()
  const onAsk = async ({ facts: { provider } }: ModelAsk): Promise<null> => {
    if (provider.startsWith('plugin:')) plugins.add(provider as DataOrigin)
    return null
  }
  const labelsOfAnswer = async (): Promise<Labels> =>
    (await Promise.all([...plugins].map(told.of))).reduce<Labels>((all, { labels }) => joinLabels(all, labels), [])
  const held = { labels: sessions.held(caller), from: sessions.origins(caller) }
  try {
    const done = await runGeneration({ ...request, held, onAsk }, reserved, context, deps)
    if (plugins.size === 0) return done
    return { ...done, labels: await labelsOfAnswer(), origins: [...plugins] }
  } catch (error) {
    throw labelledError(error, await labelsOfAnswer())
  }
}
