// The file that RECORDS names for the JavaScript clients: the records to send, and the lines that a reader must see.
import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'

export const broker = process.env.BROKER ?? '127.0.0.1:9092'
const repeat = 20
const [command, ...args] = process.argv.slice(2)
const tags = name => (process.env[name] ?? '').split(',')
let faults = 0

const unhex = text => (text === '-' ? null : text === '.' ? Buffer.alloc(0) : Buffer.from(text, 'hex'))
const tohex = data => (data == null ? '-' : Buffer.from(data).toString('hex') || '.')

// Each record as { tag, key, value, headers: [[name, value]], time }, without the tags named in SKIP.
function records (time) {
  const skip = tags('SKIP')
  const rows = readFileSync(process.env.RECORDS, 'utf8').trim().split('\n')
    .filter(row => row[0] !== '#').map(row => row.split(' ')).filter(row => !skip.includes(row[0]))
  return Array(repeat).fill(rows).flat().map(([tag, key, value, headers], i) => ({
    tag,
    key: unhex(key),
    value: unhex(value),
    headers: headers === '-' ? [] : headers.split(',').map(h => [h.split('=')[0], unhex(h.split('=')[1])]),
    time: time + i
  }))
}

const line = ({ key, value, headers, time }) =>
  `${tohex(key)} ${tohex(value)} ${headers.map(([name, data]) => `${name}=${tohex(data)}`).join(',') || '-'} ${time}`

// Records of the tags named in IGNORE must be there, whatever they hold.
function differences (what, seen, ...times) {
  const wanted = times.flatMap(records)
  check(`${what}: records`, wanted.length, seen.length)
  const pairs = wanted.slice(0, seen.length).map((row, i) => [row.tag, line(row), line(seen[i])])
  const wrong = pairs.filter(([tag, sent, got]) => sent !== got && !tags('IGNORE').includes(tag))
  for (const [tag, sent, got] of wrong.slice(0, 3)) console.log(`${what}: ${tag}: sent ${sent.slice(0, 90)}, read ${got.slice(0, 90)}`)
  faults += wrong.length
}

export function check (what, wanted, seen) {
  if (isDeepStrictEqual(wanted, seen)) return
  faults++
  console.log(`${what}: wanted ${JSON.stringify(wanted)}, got ${JSON.stringify(seen)}`)
}

// Asks `done` until it says yes, for up to `seconds`.
export async function until (done, seconds = 40) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end && !(await done());) await new Promise(resolve => setTimeout(resolve, 100))
}

export const pause = seconds => until(() => false, seconds)

// `write TOPIC CODEC TIME`, `read TOPIC TIME...`, `group`, or with no argument everything on new topics.
// `lacks` names the tags of records.txt that this client cannot send or not read.
export async function main ({ name, codecs, lacks, write, read, group, transaction }) {
  if (command === 'write') await write(args[0], args[1], records(Number(args[2])))
  else if (command === 'read') {
    const times = args.slice(1).map(Number)
    differences(name, await read(args[0], records(0).length * times.length), ...times)
  } else if (command === 'group') await group(`rt-${name}-group-${Date.now()}`)
  else {
    process.env.SKIP ??= lacks
    const now = Date.now()
    for (const codec of codecs) {
      const topic = `rt-${name}-${codec}-${now}`
      await write(topic, codec, records(now))
      differences(codec, await read(topic, records(0).length), now)
    }
    await group(`rt-${name}-group-${now}`)
    await transaction(`rt-${name}-txn-${now}`)
  }
  console.log(faults ? 'differs' : 'ok')
  process.exit(faults ? 1 : 0)
}
