/**
 * Writes Messages requests. Each message and tool is converted and serialised once in its life and kept as JSON text: a long
 * conversation costs a join, not a conversion. The shapes are those of the official package, by type only.
 *
 * Prompt-cache markers, four at most as the service allows: the last tool, the system prompt, and the end of the last two
 * user turns. The one before the last is where the previous request ended, so that its cache is found; the last is where
 * the next request will look.
 */
import type { Tool } from '@anthropic-ai/sdk/resources/messages'
import type { Message, ModelFacts, ToolSpec } from '../../types/index.ts'
import { createToolsPiece } from '../http/request-body.ts'
import type { RequestWriter, WriterOptions } from '../wire.ts'
import { type Turn, turnsOf } from './conversation-turns.ts'
import { writeMessage, type Written } from './message-blocks.ts'
import { modelDialect } from './model-dialect.ts'
import { cacheMarker, requestHead } from './request-settings.ts'
import { inputSchema } from './sendable-schema.ts'
import { jsonOf } from './sendable-text.ts'

export function createMessageWriter({ facts, official }: WriterOptions): RequestWriter {
  const messages = new WeakMap<Message, Written>()

  const written = (message: Message, model: string, known: ModelFacts): Written => {
    const kept = messages.get(message)
    if (kept !== undefined && (kept.model === null || kept.model === model)) return kept
    const made = writeMessage(message, { facts: known, model, official })
    messages.set(message, made)
    return made
  }
  const writtenTools = createToolsPiece((tools) => {
    const pieces: string[] = []
    pushList(
      pieces,
      'tools',
      tools.map((tool) => jsonOf(toolParam(tool))),
      true,
    )
    return pieces.join('')
  })

  return {
    write: (request) => {
      const { model } = request
      const known = facts(model)
      const dialect = modelDialect(model)
      const turns = turnsOf(request.messages, (message) => written(message, model, known), dialect.prefill)
      const head = jsonOf(requestHead(request, { facts: known, dialect, turns })).slice(0, -1)
      const pieces: string[] = []
      pushTurns(pieces, turns)
      const end = `${pieces.join('')}}`
      return known.tools && request.tools.length > 0 ? [head, writtenTools(request.tools), end] : [head, end]
    },
  }
}

function toolParam({ name, description, parameters }: ToolSpec): Tool {
  return { name, description, input_schema: inputSchema(parameters) }
}

function pushTurns(pieces: string[], turns: readonly Turn[]): void {
  const lastUser = turns.findLastIndex(({ role }) => role === 'user')
  const userBefore = turns.findLastIndex(({ role }, place) => role === 'user' && place < lastUser)
  pieces.push(',"messages":[')
  for (const [place, { role, blocks }] of turns.entries()) {
    pieces.push(place === 0 ? '{"role":"' : ',{"role":"', role, '"')
    pushList(pieces, 'content', blocks, place === lastUser || place === userBefore)
    pieces.push('}')
  }
  pieces.push(']')
}

/** @param list JSON objects; the last one is marked by opening it again. */
function pushList(pieces: string[], name: string, list: readonly string[], marked: boolean): void {
  pieces.push(',"', name, '":[')
  for (const [place, json] of list.entries()) {
    if (place > 0) pieces.push(',')
    if (marked && place === list.length - 1) pieces.push(json.slice(0, -1), marker)
    else pieces.push(json)
  }
  pieces.push(']')
}

const marker = `,"cache_control":${JSON.stringify(cacheMarker)}}`
