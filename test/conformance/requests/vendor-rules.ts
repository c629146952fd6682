/** The vendors' rules for a request besides its types, according to their references and error messages. */

type Fields = Readonly<Record<string, unknown>>

export type VendorRule = (body: Fields) => readonly string[]

const listIn = (fields: Fields, name: string): readonly Fields[] => (Array.isArray(fields[name]) ? (fields[name] as Fields[]) : [])
const textIn = (fields: Fields, name: string): string => (typeof fields[name] === 'string' ? fields[name] : '')
const fieldsIn = (fields: Fields, name: string): Fields => (fields[name] ?? {}) as Fields

function faults(...checks: readonly (readonly [wrong: boolean, what: string])[]): string[] {
  return checks.flatMap(([wrong, what]) => (wrong ? [what] : []))
}

const repeated = (all: readonly string[]): boolean => new Set(all).size < all.length
const isObject = (text: string): boolean => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}
const dataUrl = /^data:(?:image\/(?:png|jpeg|gif|webp)|application\/pdf);base64,[A-Za-z0-9+/]+=*$/

export const chatRules: VendorRule = (body) => {
  const found: string[] = []
  let open: string[] = []
  for (const message of listIn(body, 'messages')) {
    if (message['role'] === 'tool') {
      const id = textIn(message, 'tool_call_id')
      found.push(...faults([!open.includes(id), `a result of no call before it: ${id}`]))
      open = open.filter((each) => each !== id)
      continue
    }
    found.push(...faults([open.length > 0, `calls without results: ${open.join()}`]))
    const calls = listIn(message, 'tool_calls')
    open = calls.map((call) => textIn(call, 'id'))
    const names = calls.map((call) => textIn(fieldsIn(call, 'function'), 'name'))
    found.push(
      ...faults(
        [repeated(open), 'one id for two calls'],
        [open.some((id) => !/^.{1,40}$/.test(id)), 'an id of another length'],
        [names.some((name) => !/^[\w-]{1,64}$/.test(name)), `an invalid name: ${names.join()}`],
        [calls.some((call) => !isObject(textIn(fieldsIn(call, 'function'), 'arguments'))), 'arguments that are no object'],
        ['tool_calls' in message && calls.length === 0, 'an empty list of calls'],
        [message['role'] === 'assistant' && calls.length === 0 && typeof message['content'] !== 'string', 'an answer of nothing'],
        [Array.isArray(message['content']) && message['content'].length === 0, 'content without parts'],
      ),
    )
    for (const part of listIn(message, 'content')) {
      const url = textIn(fieldsIn(part, 'image_url'), 'url') || textIn(fieldsIn(part, 'file'), 'file_data')
      found.push(
        ...faults([part['type'] !== 'text' && part['type'] !== 'input_audio' && !dataUrl.test(url), 'a medium that it cannot see']),
      )
    }
  }
  const stop = Array.isArray(body['stop']) ? body['stop'].length : 0
  const forced = 'tool_choice' in body && listIn(body, 'tools').length === 0
  return [...found, ...faults([open.length > 0, 'calls at the end without results'], [stop > 4, 'more than four stop sequences'], [forced, 'a tool choice without tools'], [listIn(body, 'messages').length === 0, 'no messages'])] // prettier-ignore
}

export const responsesRules: VendorRule = (body) => {
  const items = listIn(body, 'input')
  const open = new Set<string>()
  const found: string[] = []
  const ids = items.map((item) => textIn(item, 'id')).filter((id) => id !== '')
  for (const [place, item] of items.entries()) {
    const id = textIn(item, 'call_id')
    if (item['type'] === 'function_call') {
      found.push(
        ...faults(
          [open.has(id), `one id for two open calls: ${id}`],
          [id === '' || id.length > 64, 'an id of another length'],
          [!/^[\w-]{1,64}$/.test(textIn(item, 'name')), `an invalid name: ${textIn(item, 'name')}`],
          [!isObject(textIn(item, 'arguments')), 'arguments that are no object'],
        ),
      )
      open.add(id)
    } else if (item['type'] === 'function_call_output') {
      found.push(...faults([!open.delete(id), `a result of no call before it: ${id}`]))
    } else if (item['type'] === 'reasoning') {
      const next = items[place + 1]
      const followed = next?.['type'] === 'function_call' || next?.['type'] === 'reasoning' || next?.['role'] === 'assistant'
      found.push(...faults([!followed, 'reasoning without the item that it led to'], [textIn(item, 'encrypted_content') === '', 'reasoning that only the vendor has'])) // prettier-ignore
    } else {
      found.push(...faults([open.size > 0 && item['role'] === 'user' && place < items.length - 1 && items.slice(place).some((later) => later['type'] === 'function_call_output' && open.has(textIn(later, 'call_id'))), 'a message between a call and its result'])) // prettier-ignore
    }
  }
  return [
    ...found,
    ...faults(
      [open.size > 0, `calls without results: ${[...open].join()}`],
      [repeated(ids), `one item twice: ${ids.join()}`],
      [body['store'] !== false, 'kept at the vendor'],
      [items.length === 0, 'no input'],
      ['tool_choice' in body && listIn(body, 'tools').length === 0, 'a tool choice without tools'],
    ),
  ]
}

export const anthropicRules: VendorRule = (body) => {
  const messages = listIn(body, 'messages')
  const found: string[] = []
  let open: string[] = []
  for (const [place, message] of messages.entries()) {
    const blocks = listIn(message, 'content')
    const results = blocks.filter(({ type }) => type === 'tool_result').map((block) => textIn(block, 'tool_use_id'))
    const asked = blocks.filter(({ type }) => type === 'tool_use')
    found.push(
      ...faults(
        [message['role'] !== (place % 2 === 0 ? 'user' : 'assistant'), `turns that do not alternate, at ${place}`],
        [blocks.length === 0, `a turn of nothing, at ${place}`],
        [results.toSorted().join() !== open.toSorted().join(), `results ${results.join()} for calls ${open.join()}`],
        [blocks.slice(0, results.length).some(({ type }) => type !== 'tool_result'), 'something before the results'],
        [blocks.some((block) => block['type'] === 'text' && textIn(block, 'text').trim() === ''), 'a blank text'],
        [asked.some((call) => !/^[\w-]+$/.test(textIn(call, 'id'))), 'an id that it does not take'],
        [asked.some((call) => !/^[\w-]{1,128}$/.test(textIn(call, 'name'))), 'a name that it does not take'],
        [/^(?:redacted_)?thinking$/.test(String(blocks.at(-1)?.['type'])), 'thinking that leads to nothing'],
      ),
    )
    open = asked.map((call) => textIn(call, 'id'))
    found.push(...faults([repeated(open), 'one id for two calls']))
  }
  const last = messages.at(-1)
  const lastText = textIn(listIn(last ?? {}, 'content').at(-1) ?? {}, 'text')
  const thinking = fieldsIn(body, 'thinking')
  const budget = thinking['budget_tokens'] as number | undefined
  const choice = fieldsIn(body, 'tool_choice')['type']
  const sampled = ['temperature', 'top_p'].filter((name) => name in body)
  const markers = JSON.stringify(body).split('"cache_control"').length - 1
  return [
    ...found,
    ...faults(
      [open.length > 0, 'calls at the end without results'],
      [markers > 4, `${markers} cache markers`],
      [last?.['role'] === 'assistant' && /\s$/.test(lastText), 'an answer that begins with white space at its end'],
      [budget !== undefined && (budget < 1024 || budget >= (body['max_tokens'] as number)), 'a budget of another size'],
      [
        budget !== undefined && (choice === 'any' || choice === 'tool' || sampled.length > 0),
        'a budget along with a forced call or sampling',
      ],
      [sampled.length > 1, 'both ways of sampling'],
      [((body['temperature'] as number | undefined) ?? 0) > 1, 'a temperature over 1'],
      [((body['stop_sequences'] as string[] | undefined) ?? []).some((text) => text.trim() === ''), 'a blank stop sequence'],
      ['tool_choice' in body && listIn(body, 'tools').length === 0, 'a tool choice without tools'],
    ),
  ]
}

export const geminiRules: VendorRule = (body) => {
  const found: string[] = []
  let open: string[] = []
  const contents = listIn(body, 'contents')
  for (const [place, content] of contents.entries()) {
    const parts = listIn(content, 'parts')
    const named = (field: string): string[] => parts.filter((part) => field in part).map((part) => textIn(fieldsIn(part, field), 'name'))
    const results = named('functionResponse')
    found.push(
      ...faults(
        [place > 0 && content['role'] === contents[place - 1]?.['role'], `turns that do not alternate, at ${place}`],
        [content['role'] !== 'user' && content['role'] !== 'model', `a role of its own, at ${place}`],
        [parts.length === 0, `a turn of nothing, at ${place}`],
        [results.join() !== open.join(), `responses ${results.join()} for calls ${open.join()}`],
        [parts.some((part) => Object.keys(part).length === 0), 'a part of nothing'],
      ),
    )
    open = named('functionCall')
    found.push(...faults([open.some((name) => !/^[A-Za-z_][\w.:-]{0,127}$/.test(name)), `a name that it does not take: ${open.join()}`]))
  }
  const config = fieldsIn(body, 'generationConfig')
  return [
    ...found,
    ...faults(
      [contents.length === 0, 'no contents'],
      [open.length > 0, 'calls at the end without responses'],
      ['responseJsonSchema' in config && config['responseMimeType'] !== 'application/json', 'a schema of no JSON'],
      ['toolConfig' in body && !('tools' in body), 'a tool choice without tools'],
    ),
  ]
}

export const vendorRules: Readonly<Record<string, VendorRule>> = {
  'openai-chat': chatRules,
  'openai-responses': responsesRules,
  anthropic: anthropicRules,
  gemini: geminiRules,
}
