/**
 * The model for people without an account: a command interpreter that speaks the same port as a real model. It makes the
 * same tool calls, sees only the request and keeps no state. Terminals say that it is no model (`notice` of the guest's status), and so do its
 * help and its answer to what it does not understand.
 */
import type { GenerateRequest, Model, ModelEvent } from '../../protocol/index.ts'
import { cancelled, noUsage } from '../model-problem.ts'
import { readCommands } from './command-grammar.ts'
import { type Command, type PlannedCall, type Step, type ToolCommand, unsaid } from './command.ts'
import { callId, type Exchange, exchangesOf, readUnanswered } from './conversation.ts'
import { appendPlan, restorePlan, summaryPlan, todoPlan } from './file-plans.ts'
import { phrase, sayHello, sayHelp, sayMissing, sayReminder, saySum, sayThanks, sayUnknown, tellStory } from './reply-phrasing.ts'

export function createOfflineModel(): Model {
  return {
    // oxlint-disable-next-line typescript/require-await -- the port is asynchronous; the rules are not
    generate: async function* (request, signal): AsyncGenerator<readonly ModelEvent[]> {
      if (signal.aborted) yield [{ type: 'error', failure: cancelled, usage: noUsage }]
      else yield answer(request)
    },
  }
}

/** @returns the calls of the first command that still needs some, else the replies to all of them. */
export function answer(request: GenerateRequest): readonly ModelEvent[] {
  const { texts, done } = readUnanswered(request.messages)
  const tools = new Set(request.tools.map((tool) => tool.name))
  const story = (): string => tellStory(exchangesOf(request.messages))
  const replies: string[] = []
  for (const [place, command] of texts.flatMap(readCommands).entries()) {
    const before = done.get(place) ?? []
    const step = nextStep(command, before, { tools, story })
    if ('calls' in step) return callEvents(step.calls, place, before.length)
    if (!replies.includes(step.say)) replies.push(step.say)
  }
  if (replies.length === 0) replies.push('Say "help" for what I understand.')
  const text = replies.join('\n\n')
  return [
    { type: 'text', text },
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

export interface PlanContext {
  /** Names of the tools that are offered. */
  readonly tools: ReadonlySet<string>
  /** The story of the conversation so far, made when it is asked for. */
  readonly story: () => string
}

/** @returns the tool calls that the command needs now or, when their results are there, what to say */
export function nextStep(command: Command, done: readonly Exchange[], context: PlanContext): Step {
  switch (command.kind) {
    case 'help':
      return { say: sayHelp(context.tools) }
    case 'hello':
      return { say: sayHello() }
    case 'thanks':
      return { say: sayThanks() }
    case 'unknown':
      return { say: sayUnknown() }
    case 'unclear':
      return { say: sayMissing(command.missing, command.example) }
    case 'story':
      return { say: context.story() }
    case 'sum':
      return { say: saySum(command) }
    case 'reminder':
      return { say: sayReminder() }
    case 'restore':
      return searched(restorePlan(command, done), done, context)
    case 'todo':
      return offered(todoPlan(command, done), context)
    case 'append':
      return offered(appendPlan(command, done), context)
    case 'summarise':
      return offered(summaryPlan(command, done), context)
    case 'list':
    case 'read':
    case 'search':
    case 'write':
    case 'edit':
    case 'delete':
    case 'run':
    case 'remember':
    case 'recall':
    case 'fetch':
    case 'web_search':
    case 'time':
      break
  }
  const first = done[0]
  return first === undefined ? offered({ calls: [singleCall(command)] }, context) : { say: phrase(command, first) }
}

/** A call that is not offered is never made; the reply names it. */
function offered(step: Step, context: PlanContext): Step {
  if ('say' in step) return step
  const missing = step.calls.find((call) => !context.tools.has(call.name))
  if (missing === undefined) return step
  return { say: `I cannot do that here: the tool ${missing.name} is not available in this conversation.` }
}

/** As `offered`; tools that are not offered from the start are searched for first. */
function searched(step: Step, done: readonly Exchange[], context: PlanContext): Step {
  const missing = 'say' in step ? undefined : step.calls.find((call) => !context.tools.has(call.name))
  if (missing === undefined || !context.tools.has('tool_search') || done.some((each) => each.call.name === 'tool_search'))
    return offered(step, context)
  return { calls: [{ name: 'tool_search', arguments: { query: missing.name } }] }
}

function singleCall(command: ToolCommand): PlannedCall {
  switch (command.kind) {
    case 'list':
      return { name: 'file_list', arguments: { path: command.path, depth: command.depth } }
    case 'read':
      return {
        name: 'file_read',
        arguments: {
          path: command.path,
          ...(command.fromLine === unsaid ? {} : { from_line: command.fromLine }),
          ...(command.maxLines === unsaid ? {} : { max_lines: command.maxLines }),
        },
      }
    case 'search':
      return {
        name: 'file_search',
        arguments: { pattern: command.pattern, path: command.path, regex: command.regex, ignore_case: true },
      }
    case 'write':
      return { name: 'file_write', arguments: { path: command.path, text: command.text } }
    case 'edit':
      return { name: 'file_edit', arguments: { path: command.path, find: command.find, replace: command.replace, all: command.all } }
    case 'delete':
      return { name: 'file_delete', arguments: { path: command.path, recursive: command.recursive } }
    case 'run':
      return { name: 'shell_exec', arguments: { command: command.command } }
    case 'remember':
      return { name: 'memory_save', arguments: { content: command.text } }
    case 'recall':
      return { name: 'memory_search', arguments: { query: command.query, include_conversation: true } }
    case 'fetch':
      return { name: 'web_fetch', arguments: { url: command.url } }
    case 'web_search':
      return { name: 'web_search', arguments: { query: command.query } }
    case 'time':
      break
  }
  return { name: 'time_now', arguments: {} }
}
