/** Tools of the program that has started this guest, as calls of the service `app`: each use passes the gate, and the program runs it. */
import { z } from 'zod'
import { isObject, type Json, type JsonObject, OxbowError, problemLines, type SchemaChecker } from '../base/index.ts'
import { type Call, defineCall, jsonObjectSchema, jsonSchema } from '../protocol/index.ts'
import type { AppPort, AppTool } from '../config/index.ts'

/** Characters of a result that a model reads. */
const maxTextChars = 100_000

export function appCalls(tools: readonly AppTool[], ask: AppPort, schemas: SchemaChecker): readonly Call[] {
  return tools.map((tool) => appCall(tool, ask, schemas))
}

function appCall(
  { name, description, parameters, tier, effect, adds, sink, timeoutMs }: AppTool,
  ask: AppPort,
  schemas: SchemaChecker,
): Call {
  return defineCall({
    name: `app.${name}`,
    summary: description,
    input: jsonObjectSchema(),
    parameters,
    output: z.strictObject({ output: jsonSchema() }),
    example: {},
    tier,
    right: `app.${name}`,
    effect,
    audience: ['model', 'terminal'],
    labels: { adds, sink },
    timeoutMs,
    async run(input: JsonObject, { id, caller, signal }) {
      const problems = await schemas.validate(parameters, input)
      if (problems.length > 0)
        throw new OxbowError('bad_input', `The arguments do not fit the schema of ${name}:\n${problemLines(problems)}`, {
          hint: 'Correct them and call again; nothing was done.',
        })
      const result = await ask({ ask: 'app_tool', name, input, session: caller.session, call: id }, signal, () => {})
      const output = isObject(result) ? (result['output'] ?? null) : null
      return { output: { output }, text: textOf(output).slice(0, maxTextChars).toWellFormed() }
    },
  })
}

const textOf = (output: Json): string => (typeof output === 'string' ? output : output === null ? 'done' : JSON.stringify(output))
