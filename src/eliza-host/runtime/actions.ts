/** Actions of a response, one after the other, and evaluators after it, with the names, results and memories of elizaOS. */
import { randomUUID } from 'node:crypto'
import type { ActionMethods, ElizaRuntime, RunState, RuntimeDeps } from './runtime-types.ts'
import type { Action, ActionResult, Callback, Content, Evaluator, Free, Memory, State } from '../eliza-types.ts'
import { remember } from './state.ts'
import { setOwn } from '../../base/index.ts'

const workingMemoryEntries = 50

/** One `processActions`, as its steps see it. */
interface Processing {
  readonly message: Memory
  readonly responses: Memory[]
  readonly callback: Callback | undefined
  readonly options: Free
  readonly thought: string
  readonly runId: string
  readonly parentRunId: string
  plan: Free | undefined
  index: number
}

export function actionMethods(self: ElizaRuntime, run: RunState, deps: RuntimeDeps): ActionMethods {
  return {
    updateActionPlan: (plan, updates) => ({ ...plan, ...updates }),
    updateActionStep: (plan, index, updates) => {
      const steps = plan['steps'] as Free[] | undefined
      if (steps === undefined || index < 0 || index >= steps.length) return plan
      return { ...plan, steps: steps.map((step, at) => (at === index ? { ...step, ...updates } : step)) }
    },
    async processActions(message, responses, state, callback, options = {}) {
      const names = responses.flatMap(({ content }) => content?.actions ?? [])
      const runId = self.createRunId()
      const thought = responses[0]?.content?.thought || `Executing ${names.length} actions: ${names.join(', ')}`
      const plan =
        names.length > 1
          ? {
              runId,
              totalSteps: names.length,
              currentStep: 0,
              steps: names.map((action) => ({ action, status: 'pending' })),
              thought,
              startTime: deps.now(),
            }
          : undefined
      const processing: Processing = {
        message,
        responses,
        callback,
        options,
        thought,
        runId,
        parentRunId: self.getCurrentRunId(),
        plan,
        index: 0,
      }
      for (const { content } of responses) {
        const results: ActionResult[] = []
        if (!content?.actions?.length) continue
        for (const name of content.actions) {
          await processOne(self, run, deps, processing, name, results)
          processing.index++
        }
        if (!message.id) continue
        const data = { actionResults: results, actionPlan: processing.plan }
        remember(self.stateCache, `${message.id}_action_results`, {
          values: { actionResults: results },
          data,
          text: JSON.stringify(results),
        })
      }
      void state
    },
    getActionResults: (messageId) => self.stateCache.get(`${messageId}_action_results`)?.data['actionResults'] ?? [],
    evaluate: (message, state, didRespond, callback, responses) => evaluate(self, message, state, didRespond, callback, responses),
  }
}

async function evaluate(
  self: ElizaRuntime,
  message: Memory,
  state: State,
  didRespond: boolean | undefined,
  callback: Callback | undefined,
  responses: Memory[] | undefined,
): Promise<Evaluator[]> {
  const judged = self.evaluators.map(async (evaluator) => {
    if (!evaluator.handler || (!didRespond && !evaluator.alwaysRun)) return []
    return (await evaluator.validate?.(self, message, state)) ? [evaluator] : []
  })
  const chosen = (await Promise.all(judged)).flat()
  if (chosen.length === 0) return []
  const composed = await self.composeState(message, ['RECENT_MESSAGES', 'EVALUATORS'])
  await Promise.all(
    chosen.map(async (evaluator) => {
      await evaluator.handler?.(self, message, composed, {}, callback, responses)
      const body = {
        evaluator: evaluator.name,
        messageId: message.id,
        message: message.content.text,
        state: composed,
        runId: self.getCurrentRunId(),
      }
      await self.adapter['log']({ entityId: message.entityId, roomId: message.roomId, type: 'evaluator', body })
    }),
  )
  return chosen
}

/** By exact name, then by containment, then by similes, in lower case and without underscores. */
export function findAction(actions: readonly Action[], wanted: string): Action | undefined {
  const plain = (name: string): string => name.toLowerCase().replaceAll('_', '')
  const target = plain(wanted)
  const near = (name: string): boolean => plain(name).includes(target) || target.includes(plain(name))
  return (
    actions.find(({ name }) => plain(name) === target) ??
    actions.find(({ name }) => near(name)) ??
    actions.find(({ similes }) => similes?.some((simile) => plain(simile) === target || near(simile)))
  )
}

async function processOne(
  self: ElizaRuntime,
  run: RunState,
  deps: RuntimeDeps,
  processing: Processing,
  wanted: string,
  results: ActionResult[],
): Promise<void> {
  const { message } = processing
  if (processing.plan !== undefined) processing.plan = self.updateActionPlan(processing.plan, { currentStep: processing.index + 1 })
  const state = await self.composeState(message, ['RECENT_MESSAGES', 'ACTION_STATE'])
  if (processing.plan !== undefined) Object.assign(state.data, { actionPlan: processing.plan, actionResults: results })
  const action = findAction(self.actions, wanted)
  const step = (updates: Free): void => {
    if (processing.plan !== undefined) processing.plan = self.updateActionStep(processing.plan, processing.index, updates)
  }
  if (action === undefined) {
    const thought = `Action not found: ${wanted}`
    self.logger.error({ src: 'agent', agentId: self.agentId, action: wanted }, 'Action not found')
    step({ status: 'failed', error: thought })
    const content = { thought, source: 'auto', type: 'action_result', actionName: wanted, actionStatus: 'failed', runId: processing.runId }
    await self['createMemory']({ id: randomUUID(), ...placeOf(message), entityId: message.entityId, content }, 'messages')
    return
  }
  if (!action.handler) {
    step({ status: 'failed', error: 'No handler' })
    return
  }
  const actionId = randomUUID()
  run.action = { actionName: action.name, actionId, prompts: [] }
  const announce = announcer(self, processing, action.name, actionId)
  await announce('ACTION_STARTED', { text: `Executing action: ${action.name}`, actionStatus: 'executing', runId: processing.runId })
  const responseId = randomUUID()
  const delivered: Content[] = []
  const collect: Callback = async (content) => {
    content['responseId'] = responseId
    delivered.push(content)
    return []
  }
  const context = streamingContext(deps, processing.options, responseId)
  const options = optionsOf(processing, results)
  const returned = await deps.core.runWithStreamingContext(context, () =>
    action.handler?.(self, message, state, options, collect, processing.responses),
  )
  const result = resultOf(returned, action.name)
  if (result !== null) {
    results.push(result)
    keepInWorkingMemory(state, action.name, result, deps.now())
    step({ status: 'completed', result })
  }
  const status = result?.success === false ? 'failed' : 'completed'
  await announce('ACTION_COMPLETED', { text: result?.text || '', actionStatus: status, actionResult: result })
  for (const content of delivered) await processing.callback?.(content)
  await keepResult(self, run, processing, { action: action.name, actionId, result, returned, state })
  run.action = undefined
}

function announcer(self: ElizaRuntime, { message, thought }: Processing, action: string, actionId: string) {
  return (event: string, more: Free): Promise<void> => {
    const content = { actions: [action], actionId, type: 'agent_action', thought, source: message.content?.source, ...more }
    return self.emitEvent(event, { messageId: actionId, roomId: message.roomId, world: message.worldId, content })
  }
}

function placeOf({ roomId, worldId }: Memory): { readonly roomId: string; readonly worldId?: string } {
  return { roomId, ...(worldId !== undefined && { worldId }) }
}

function optionsOf({ plan, options }: Processing, results: readonly ActionResult[]): Free {
  const getPreviousResult = (name: string) => results.find(({ data }) => data?.['actionName'] === name)
  const { totalSteps, currentStep, steps, thought } = plan ?? {}
  return {
    actionContext: { previousResults: results, getPreviousResult },
    ...(plan !== undefined && { actionPlan: { totalSteps, currentStep, steps, thought } }),
    ...(options['onStreamChunk'] !== undefined && { onStreamChunk: options['onStreamChunk'] }),
    // What a model of Oxbow has written for the call; plugins read it in either place.
    ...(options['parameters'] !== undefined && { ...(options['parameters'] as Free), parameters: options['parameters'] }),
  }
}

function streamingContext({ core }: RuntimeDeps, { onStreamChunk }: Free, messageId: string): object | undefined {
  if (typeof onStreamChunk !== 'function') return undefined
  let filter: { push(chunk: string): string } | null = null
  return {
    messageId,
    async onStreamChunk(chunk: string, id: unknown) {
      filter ??= new core.ActionStreamFilter()
      const text = filter.push(chunk)
      if (text) await onStreamChunk(text, id)
    },
    onStreamEnd: () => void (filter = null),
  }
}

/** @returns null for the older way to return nothing or a boolean, which adds no result */
function resultOf(returned: unknown, actionName: string): ActionResult | null {
  if (returned === undefined || returned === null || typeof returned === 'boolean') return null
  if (typeof returned === 'object' && ('values' in returned || 'data' in returned || 'text' in returned)) {
    const success = 'success' in returned ? returned.success : true
    return { ...(returned as Free), success: success as boolean }
  }
  return { success: true, data: { actionName, legacyResult: returned } }
}

function keepInWorkingMemory(state: State, name: string, result: ActionResult, now: number): void {
  if (result.values) {
    Object.assign(state.values, result.values)
    state.data['actionResults'] = [...((state.data['actionResults'] as ActionResult[] | undefined) ?? []), result]
  }
  const kept = (state.data['workingMemory'] ?? {}) as Record<string, { timestamp: number }>
  setOwn(kept, `action_${String(result.data?.['actionName'] ?? name)}_${randomUUID()}`, { actionName: name, result, timestamp: now } as {
    timestamp: number
  })
  const newest = Object.entries(kept).toSorted(([, one], [, other]) => other.timestamp - one.timestamp)
  state.data['workingMemory'] = Object.fromEntries(newest.slice(0, workingMemoryEntries))
}

interface Ended {
  readonly action: string
  readonly actionId: string
  readonly result: ActionResult | null
  readonly returned: unknown
  readonly state: State
}

async function keepResult(self: ElizaRuntime, run: RunState, processing: Processing, ended: Ended): Promise<void> {
  const { message, runId, parentRunId, plan, responses } = processing
  const { action, actionId, result, returned, state } = ended
  const shown = result ?? { legacy: returned }
  const step = plan === undefined ? {} : { planStep: `${plan['currentStep']}/${plan['totalSteps']}`, planThought: plan['thought'] }
  const text = result?.text || `Executed action: ${action}`
  const actionStatus = result?.success ? 'completed' : 'failed'
  const content = { text, source: 'action', type: 'action_result', actionName: action, actionStatus, actionResult: shown, runId, ...step }
  const sizes = plan === undefined ? {} : { totalSteps: plan['totalSteps'], currentStep: plan['currentStep'] }
  const metadata = { type: 'action_result', actionName: action, runId, parentRunId, actionId, ...sizes }
  await self['createMemory']({ id: actionId, entityId: self.agentId, ...placeOf(message), content, metadata }, 'messages')
  const prompts = run.action?.prompts ?? []
  const body = {
    action,
    actionId,
    message: message.content.text,
    messageId: message.id,
    state,
    responses,
    result: shown,
    isLegacyReturn: result === null,
    prompts,
    promptCount: prompts.length,
    runId,
    parentRunId,
    ...step,
  }
  await self.adapter['log']({ entityId: message.entityId, roomId: message.roomId, type: 'action', body })
}
