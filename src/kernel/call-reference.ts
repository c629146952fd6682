/** What is told of a call, made from its description: its reference, and the tool that a model sees. */
import { z } from 'zod'
import { type Audience, type Call, type Json, type JsonObject, toolName, type ToolSpec } from '../types/index.ts'

/** The reference of one call, for `oxbow calls` and the generated page. */
export interface CallReference {
  readonly name: string
  readonly summary: string
  readonly tier: string
  readonly right: string
  readonly effect: string
  readonly audience: readonly Audience[]
  readonly timeout_ms: number | null
  readonly input: JsonObject
  readonly example: Json
}

export function describeCall(call: Call): CallReference {
  return {
    name: call.name,
    summary: call.summary,
    tier: call.tier,
    right: call.right,
    effect: call.effect,
    audience: call.audience,
    timeout_ms: Number.isFinite(call.timeoutMs) ? call.timeoutMs : null,
    input: jsonSchema(call),
    example: call.example,
  }
}

/** @public reached through the type of the module */
export function toToolSpec(call: Call): ToolSpec {
  return { name: toolName(call.name), description: call.summary, parameters: jsonSchema(call) }
}

function jsonSchema(call: Call): JsonObject {
  const { $schema: _, ...schema } = z.toJSONSchema(call.input, { io: 'input', unrepresentable: 'any' })
  return schema as JsonObject
}
