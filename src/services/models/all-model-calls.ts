/** The calls of models: those that ask one, which one can be asked, and what that costs. */
import type { Core } from '../../kernel/index.ts'
import type { Call } from '../../types/index.ts'
import { modelBookCalls } from './model-book-calls.ts'
import { type ModelCallDeps, modelCalls } from './model-calls.ts'
import { completeCall, decodeTokensCall, embedCall, embedTextsCall, type EmbedTextsDeps } from './side-calls.ts'

/** @param core where calls are only described, it has nothing but `config`: the rest is asked for when one runs */
export function allModelCalls(core: Core): readonly Call[] {
  const deps: ModelCallDeps & EmbedTextsDeps = {
    ...core,
    config: core.config.model,
    settings: core.config,
    memory: core.memory,
    tools: (...asked) => core.registry.tools(...asked),
    laneTurn: (turn) => core.runningTurns.find(turn),
    moneyIsLimited: (who) => core.budgets.limitsMoney(who),
  }
  return [...modelCalls(deps), completeCall(deps), embedCall(deps), embedTextsCall(deps), decodeTokensCall(deps), ...modelBookCalls(core)]
}
