/** A form that waits for the person, as a question of the editor. */
import type { CreateElicitationRequest, CreateElicitationResponse } from '@agentclientprotocol/sdk'
import { formOf, type QuestionForm } from '../terminal/index.ts'
import { type Json, type JsonObject, isObject } from '../base/index.ts'
import type { PendingApproval } from '../protocol/index.ts'
import type { Editor } from './editor.ts'
import type { Decision } from './permissions.ts'

/** @returns null where the call is no form, or the editor shows none */
export function editorForm(pending: PendingApproval, editor: Editor): QuestionForm | null {
  const { elicitation } = editor.capabilities()
  return elicitation?.form === undefined || elicitation.form === null ? null : formOf(pending)
}

/** @param problem of the answer before; empty: it is asked for the first time. Rejects when the editor cannot ask, or the signal aborts. */
export async function fillIn(form: QuestionForm, session: string, editor: Editor, problem: string, signal: AbortSignal): Promise<Decision> {
  const response = await editor.elicit(requestOf(form, session, problem), signal)
  if (response.action === 'decline') return { allow: false, reason: 'The person declined.' }
  if (response.action !== 'accept') return { allow: false, reason: 'The person closed the question.' }
  return { allow: true, input: JSON.stringify({ ...form.input, answer: contentOf(response) }) }
}

function contentOf(response: CreateElicitationResponse): JsonObject {
  const content = 'content' in response ? (response.content as Json | undefined) : undefined
  return isObject(content) ? content : {}
}

function requestOf({ server, message, input }: QuestionForm, sessionId: string, problem: string): CreateElicitationRequest {
  const asked = `The server ${server} asks: ${message}`
  return {
    mode: 'form',
    sessionId,
    message: problem === '' ? asked : `${problem}\n\n${asked}`,
    requestedSchema: input['schema'] as { type: 'object' },
  }
}
