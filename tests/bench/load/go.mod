module telecast/bench/load

go 1.19
