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
