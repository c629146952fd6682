/**
 * The question of an `ask` node, as a call that always waits for a person: it is parked and decided like any other, in every terminal, and
 * survives a restart. Allowing it as it is takes the first choice; another answer is the same input with `answer`.
 */
import { z } from 'zod'
import { processRight } from '../../kernel/index.ts'
import { type Json, ownValue, OxbowError, problemLines, type SchemaChecker } from '../../base/index.ts'
import { type Call, defineCall, idSchema, type PendingApproval } from '../../protocol/index.ts'
import type { Graph } from './graph-definition.ts'

type AskInput = z.infer<typeof askInput>

const askName = 'graph.ask'

const askInput = z
  .strictObject({
    run: z.string(),
    node: z.string(),
    question: z.string(),
    choices: z.array(z.string()).readonly(),
    answer: z.json().optional(),
  })
  .refine(({ choices, answer }) => isAllowed(choices, answer), 'the answer must be one of the choices')

export function askCall(): Call {
  return defineCall({
    name: askName,
    summary: 'Asks the person, for a node of a graph.',
    input: askInput,
    output: z.strictObject({ answer: z.json() }),
    example: { run: '0fd2b0d1-53a1-8c77-a1d0-6f0d2f3d8a11', node: 'ask', question: 'Publish it?', choices: ['yes', 'no'] },
    tier: 'read_only',
    right: processRight,
    asks: ({ question }) => question,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    run: async ({ choices, answer = choices[0] ?? 'yes' }) => ({ output: { answer }, text: '' }),
  })
}

function isAllowed(choices: readonly string[], answer: Json | undefined): boolean {
  return answer === undefined || choices.length === 0 || choices.some((choice) => choice === answer)
}

export const openQuestion = z.strictObject({
  call: idSchema('CallId'),
  node: z.string(),
  question: z.string(),
  choices: z.array(z.string()).readonly(),
})

/** A question that waits. */
export type OpenQuestion = z.infer<typeof openQuestion>

export function openQuestions(pending: readonly PendingApproval[], run: string): readonly OpenQuestion[] {
  return pending.flatMap(({ call, name, input }) => {
    const asked = name === askName ? (JSON.parse(input) as AskInput) : null
    return asked?.run === run ? [{ call, node: asked.node, question: asked.question, choices: asked.choices }] : []
  })
}

/**
 * @param graphs of the run
 * @returns the input with which the question is decided @throws OxbowError `bad_input` for an answer that the node could not save
 */
export async function answeredInput(
  pending: readonly PendingApproval[],
  { call, node, choices }: OpenQuestion,
  answer: Json,
  { graphs, schemas }: { readonly graphs: readonly Graph[]; readonly schemas: Pick<SchemaChecker, 'validate'> },
): Promise<Json> {
  if (!isAllowed(choices, answer))
    throw new OxbowError('bad_input', `The answer must be one of: ${choices.join(', ')}.`, { hint: 'Answer with one of them.' })
  for (const graph of graphs) {
    const save = ownValue(graph.nodes, node)?.type === 'ask' ? (ownValue(graph.nodes, node)?.save ?? {}) : {}
    for (const [field, part] of Object.entries(save)) {
      const schema = part === 'answer' ? ownValue(graph.state, field) : undefined
      const problems = schema === undefined ? [] : await schemas.validate(schema, answer)
      if (problems.length > 0)
        throw new OxbowError('bad_input', `The state field ${field} cannot have this answer:\n${problemLines(problems)}`, {
          hint: 'Answer with a value of its type: a number without quotes, a text in quotes.',
        })
    }
  }
  const input = JSON.parse(pending.find((each) => each.call === call)!.input) as { readonly [key: string]: Json }
  return { ...input, answer }
}
