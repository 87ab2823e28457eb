import { Type } from 'typebox'
import { listedValuesMax, operators } from './operators.ts'
import { filterLimits } from './parse-filter.ts'

const operatorNames = [...Object.keys(operators), '$exist', '$or', '$and', '$not'].map(name => `\`${name}\``)

/** A filter in the body of a request. `compileFilter` checks it, and says the place of each fault. */
export const filterInput = Type.Unsafe<object | null>({
  type: ['object', 'null'],
  'x-sentence': 'Give an object with payload, headers, metadata or event_type, or null for no filter.',
  description:
    'Only events that it matches are delivered; null: all events. Conditions on `payload`, `headers`, `metadata` and ' +
    `\`event_type\`: nested objects are paths, a bare value means equality, and the operators are ${operatorNames.join(', ')}. ` +
    `At most ${filterLimits.depth} levels, ${filterLimits.clauses} values to compare with, ${listedValuesMax} in one ` +
    `\`$in\` or \`$nin\`, and ${filterLimits.bytes} bytes of JSON in all`,
  examples: [{ payload: { total: { $gte: 100 }, status: { $in: ['paid', 'refunded'] } } }],
})
