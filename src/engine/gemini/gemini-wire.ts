/** Gemini's generateContent, streamed. The key travels in a header, never in the address, which may end up in a log. */
import type { Wire } from '../wire.ts'
import { createGeminiReader } from './gemini-answer.ts'
import { createGeminiWriter } from './gemini-request.ts'
import { wireName } from './gemini-seal.ts'

export const geminiWire: Wire = {
  name: wireName,
  path: (model) => `/${resourceOf(model)}:streamGenerateContent?alt=sse`,
  headers: (key) => (key === '' ? {} : { 'x-goog-api-key': key }),
  createWriter: createGeminiWriter,
  createReader: createGeminiReader,
}

/** A plain name is a model of the vendor; `models/…` and `tunedModels/…` name their collection themselves. */
function resourceOf(model: string): string {
  const resource = /^(?:models|tunedModels)\//.test(model) ? model : `models/${model}`
  return resource.split('/').map(encodeURIComponent).join('/')
}
