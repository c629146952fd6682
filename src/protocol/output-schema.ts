/** Parts of the schemas of outputs. Functions, so that whoever starts without schemas does not make them. */
import { z } from 'zod'
import {
  type CallId,
  type ErrorCode,
  errorTable,
  type Failure,
  type Json,
  type JsonObject,
  type ProcessId,
  type SessionId,
  type TurnId,
  type UserId,
} from '../base/index.ts'
import type { DataOrigin } from './origin.ts'
import type { Label } from './record.ts'

/** Money in integer micro-dollars (1 000 000 per dollar), and model tokens. */
export interface Spend {
  readonly microDollars: number
  readonly tokens: number
}

interface Ids {
  readonly DataOrigin: DataOrigin
  readonly CallId: CallId
  readonly ProcessId: ProcessId
  readonly SessionId: SessionId
  readonly TurnId: TurnId
  readonly UserId: UserId
}

/** A text of a type of its own, which the types of clients name too. */
export function idSchema<Name extends keyof Ids>(type: Name): z.ZodType<Ids[Name]> {
  return z.string().meta({ type_name: type }) as unknown as z.ZodType<Ids[Name]>
}

/** An id, or an empty text without one. */
export function idOrEmpty<Name extends keyof Ids>(type: Name): z.ZodType<Ids[Name] | ''> {
  return z.string().meta({ type_name: `${type} | ''` }) as unknown as z.ZodType<Ids[Name] | ''>
}

/** Any JSON. */
export function jsonSchema(): z.ZodType<Json> {
  return z.unknown() as z.ZodType<Json>
}

/** An object whose fields only its author knows. */
export function jsonObjectSchema(): z.ZodType<JsonObject> {
  return z.record(z.string(), z.unknown()) as z.ZodType<JsonObject>
}

export function errorCodeSchema(): z.ZodType<ErrorCode> {
  return z.enum(Object.keys(errorTable) as ErrorCode[]).meta({ type_name: 'ErrorCode' })
}

/** The fields of a failure, for schemas that have more. */
export function failureFields(): {
  code: z.ZodType<ErrorCode>
  message: z.ZodString
  hint: z.ZodString
  status: z.ZodExactOptional<z.ZodInt>
} {
  return {
    code: errorCodeSchema(),
    message: z.string(),
    hint: z.string().describe('What the person or the model can do next.'),
    status: z.int().exactOptional().describe('The HTTP status, if an endpoint refused the request.'),
  }
}

export function failureSchema(): z.ZodType<Failure> {
  return z.strictObject(failureFields()).meta({ type_name: 'Failure' })
}

/** What data may contain. */
export function labelSchema(): z.ZodType<Label> {
  return z.enum(['untrusted', 'private'])
}

export function spendSchema(): z.ZodType<Spend> {
  return z.strictObject({ microDollars: z.int(), tokens: z.int() })
}

// Budgets, as people and models set and read them.

const count = z.int().nonnegative().max(Number.MAX_SAFE_INTEGER).optional()

export const limitFields = {
  tokens: count.describe('Model tokens, input and output together.'),
  micro_dollars: count.describe('Millionths of a dollar.'),
  calls: count.describe('Tool calls and requests to models.'),
  seconds: count.describe('Time that calls run.'),
}

/** The budget of an agent or of a run, carved out of the budgets of whoever starts it. */
export const limitsSchema = z.strictObject(limitFields)
export type Limits = z.infer<typeof limitsSchema>

const amounts = z.strictObject({ tokens: z.int(), micro_dollars: z.int(), calls: z.int(), seconds: z.number() })

export type Amounts = z.infer<typeof amounts>

/** Amounts by kind; null where there is no limit. */
export const limitAmounts = z.strictObject({
  tokens: z.int().nullable(),
  micro_dollars: z.int().nullable(),
  calls: z.int().nullable(),
  seconds: z.number().nullable(),
})

export type LimitAmounts = z.infer<typeof limitAmounts>

export const budgetLine = z.strictObject({
  scope: z.string(),
  window: z.string(),
  spent: amounts,
  reserved: amounts,
  limit: limitAmounts.describe('Null: no limit.'),
  until: z.number().nullable().describe('Unix milliseconds; null: it never ends.'),
  is_low: z.boolean().describe('Most of it is used.'),
})

export type BudgetLine = z.infer<typeof budgetLine>

const windowForm = /^(?:minute|hour|day|week|month|total|[1-9]\d{0,8}s)$/

export const scopeSchema: z.ZodString = z
  .string()
  .max(200)
  .regex(
    /^(?:user|session|agent|(?:session|agent|program|plugin|key):[^\s/]+)$/,
    'must be user, session, agent, or session:ID, agent:NAME, program:NAME, plugin:NAME, key:NAME',
  )
export const windowSchema: z.ZodString = z
  .string()
  .regex(windowForm, 'must be minute, hour, day, week, month, total or seconds such as 7200s')
