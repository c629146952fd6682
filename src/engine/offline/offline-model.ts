/**
 * The model for people without an account: a command interpreter that speaks the same port as a real model. It makes the
 * same tool calls, sees only the request, keeps nothing, and says in its first line what it is.
 */
import type { GenerateRequest, Model, ModelEvent } from '../../types/index.ts'
import { cancelled, noUsage } from '../model-problem.ts'
import type { PlannedCall } from './command.ts'
import { readCommands } from './command-grammar.ts'
import { nextStep } from './command-plan.ts'
import { callId, exchangesOf, readUnanswered } from './conversation.ts'
import { introduction, tellStory } from './reply-phrasing.ts'

export function createOfflineModel(): Model {
  return {
    // oxlint-disable-next-line typescript/require-await -- the port is asynchronous; the rules are not
    generate: async function* (request, signal): AsyncGenerator<readonly ModelEvent[]> {
      if (signal.aborted) yield [{ type: 'error', failure: cancelled, usage: noUsage }]
      else yield answer(request)
    },
  }
}

/** @returns the calls of the first command that still needs some, else what there is to say about all of them. */
export function answer(request: GenerateRequest): readonly ModelEvent[] {
  const { texts, done, first } = readUnanswered(request.messages)
  const tools = new Set(request.tools.map((tool) => tool.name))
  const story = (): string => tellStory(exchangesOf(request.messages))
  const said: string[] = []
  for (const [place, command] of texts.flatMap(readCommands).entries()) {
    const before = done.get(place) ?? []
    const step = nextStep(command, before, { tools, story })
    if ('calls' in step) return callEvents(step.calls, place, before.length)
    if (!said.includes(step.say)) said.push(step.say)
  }
  if (said.length === 0) said.push('Say "help" for what I understand.')
  const text = said.join('\n\n')
  const introduced = first && !text.startsWith(introduction) ? `${introduction}\n\n${text}` : text
  return [
    { type: 'text', text: introduced },
    { type: 'finish', reason: 'stop', usage: noUsage },
  ]
}

function callEvents(calls: readonly PlannedCall[], place: number, before: number): readonly ModelEvent[] {
  return [
    ...calls.map((call, index): ModelEvent => ({
      type: 'tool_call',
      call: { type: 'tool_call', id: callId(place, before + index), name: call.name, arguments: JSON.stringify(call.arguments) },
    })),
    { type: 'finish', reason: 'tool_calls', usage: noUsage },
  ]
}
