//! What Kafka Streams' stateless topology does in the benchmark: drops values that begin with `x`, upper-cases the rest.

use potok_sdk::{Description, Failure, NoConfig, Output, Processor, Record, Task};

struct Upper {
    value: Vec<u8>,
}

impl Processor for Upper {
    type Config = NoConfig;

    fn describe() -> Description {
        potok_sdk::describe!()
            .input("in", "text")
            .output("out", "the same in capitals, less what begins with x")
    }
    fn open(_: NoConfig, _: Task) -> Result<Upper, Failure> {
        Ok(Upper { value: Vec::new() })
    }
    fn process(&mut self, record: Record<'_>, out: &mut Output<'_>) -> Result<(), Failure> {
        let value = record.value().unwrap_or_default();
        if value.first() == Some(&b'x') {
            return Ok(());
        }
        self.value.clear();
        self.value.extend_from_slice(value);
        self.value.make_ascii_uppercase();
        out.send(record.key().unwrap_or_default(), &self.value);
        Ok(())
    }
}

potok_sdk::processor!(Upper);
