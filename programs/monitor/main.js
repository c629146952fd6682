const place = { category: 'monitor', name: 'open' }

export default (limits) => {
  const { open: before, version } = load()
  const found = {}
  const looks = { load: () => loadProblems(limits), journal: journalProblems, budget: budgetProblems }
  for (const [kind, look] of Object.entries(looks))
    try {
      Object.assign(found, look())
    } catch (error) {
      console.warn(`${kind} cannot be looked at: ${error.message}`)
      for (const [name, { kind: of, text }] of Object.entries(before)) if (of === kind) found[name] = { kind, text }
    }
  const now = oxbow.now()
  const open = Object.fromEntries(Object.entries(found).map(([name, each]) => [name, { ...each, since: before[name]?.since ?? now }]))
  const begun = Object.keys(open).filter((name) => before[name] === undefined)
  const ended = Object.keys(before).filter((name) => open[name] === undefined)
  if (begun.length + ended.length === 0) return { begun, ended, open }
  // Of two runs at once, one saves; a run that is cut off behind this goes on, and tells.
  if (!save(open, version)) return { begun: [], ended: [], open }
  for (const name of begun) oxbow.call('events.publish', { kind: 'monitor_begin', data: { problem: name, text: open[name].text, at: now } })
  for (const name of ended) {
    const { text, since } = before[name]
    oxbow.call('events.publish', { kind: 'monitor_end', data: { problem: name, text, since, at: now } })
  }
  return { begun, ended, open }
}

function load() {
  try {
    const { data, version } = oxbow.call('state.load', place).output
    return { open: data ?? {}, version }
  } catch (error) {
    if (error.code === 'not_found') return { open: {}, version: 0 }
    throw error
  }
}

function save(open, version) {
  try {
    oxbow.call('state.save', { ...place, data: open, if_version: version })
    return true
  } catch (error) {
    if (error.code === 'conflict') return false
    throw error
  }
}

function loadProblems({ cpu_percent: cpu = 90, memory_percent: memory = 95, disk_percent: disk = 90 }) {
  const { now } = oxbow.call('resources.show', {}).output
  const used = {
    cpu: [now.cpu_percent, cpu, 'of the processors are used'],
    memory: [(100 * now.memory_used_mb) / now.memory_total_mb, memory, 'of the memory is used'],
    disk: [now.disk_used_percent, disk, `of the disk is used; ${now.disk_free_mb} MB are free`],
  }
  const over = Object.entries(used).filter(([, [percent, limit]]) => percent >= limit)
  return Object.fromEntries(over.map(([name, [percent, , what]]) => [name, { kind: 'load', text: `${Math.round(percent)} % ${what}` }]))
}

function journalProblems() {
  const { ok, text, output } = oxbow.call('audit.verify', {})
  const { signed, head } = oxbow.call('audit.status', {}).output
  const bad = output?.first_bad ?? null
  const why =
    bad !== null
      ? `record ${bad.seq} does not hold: ${bad.why}`
      : !ok || output?.ok === false
        ? output?.projections?.[0] || text || 'the journal does not verify'
        : signed !== null && !signed.is_in_chain
          ? `record ${signed.seq} is signed, and the journal, which ends with ${head.seq}, does not have it as it was`
          : ''
  return why === '' ? {} : { journal: { kind: 'journal', text: why.slice(0, 1000) } }
}

function budgetProblems() {
  const found = {}
  for (const { scope, window, spent, limit } of oxbow.call('budget.show', {}).output.budgets) {
    const over = Object.keys(limit).filter((unit) => limit[unit] !== null && spent[unit] >= limit[unit])
    if (over.length === 0 || scope.startsWith('session:')) continue
    found[`budget ${scope} (${window})`] = { kind: 'budget', text: `used up: ${over.map((unit) => `${limit[unit]} ${unit}`).join(', ')}` }
  }
  return found
}
